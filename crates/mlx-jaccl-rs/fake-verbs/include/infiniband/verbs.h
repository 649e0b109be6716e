// The part of the verbs interface that JACCL 0.32.4 uses, for tests on machines without RDMA. Not ABI compatible with
// rdma-core or with Apple's librdma: only for JACCL and fake_verbs.cc compiled together.
#pragma once
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

union ibv_gid {
  uint8_t raw[16];
  struct {
    uint64_t subnet_prefix, interface_id;
  } global;
};

enum ibv_mtu { IBV_MTU_256 = 1, IBV_MTU_512, IBV_MTU_1024, IBV_MTU_2048, IBV_MTU_4096 };
enum ibv_port_state { IBV_PORT_NOP, IBV_PORT_DOWN, IBV_PORT_INIT, IBV_PORT_ARMED, IBV_PORT_ACTIVE };
enum ibv_qp_type { IBV_QPT_RC = 2, IBV_QPT_UC, IBV_QPT_UD };
enum ibv_qp_state {
  IBV_QPS_RESET, IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QPS_SQD, IBV_QPS_SQE, IBV_QPS_ERR
};
enum ibv_qp_attr_mask {
  IBV_QP_STATE = 1 << 0,
  IBV_QP_ACCESS_FLAGS = 1 << 3,
  IBV_QP_PKEY_INDEX = 1 << 4,
  IBV_QP_PORT = 1 << 5,
  IBV_QP_AV = 1 << 7,
  IBV_QP_PATH_MTU = 1 << 8,
  IBV_QP_RQ_PSN = 1 << 12,
  IBV_QP_SQ_PSN = 1 << 16,
  IBV_QP_DEST_QPN = 1 << 20
};
enum ibv_access_flags { IBV_ACCESS_LOCAL_WRITE = 1, IBV_ACCESS_REMOTE_WRITE = 2, IBV_ACCESS_REMOTE_READ = 4 };
enum ibv_wr_opcode { IBV_WR_RDMA_WRITE, IBV_WR_RDMA_WRITE_WITH_IMM, IBV_WR_SEND };
enum ibv_send_flags { IBV_SEND_SIGNALED = 2 };
enum ibv_wc_status {
  IBV_WC_SUCCESS, IBV_WC_LOC_LEN_ERR, IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_EEC_OP_ERR, IBV_WC_LOC_PROT_ERR,
  IBV_WC_WR_FLUSH_ERR, IBV_WC_MW_BIND_ERR, IBV_WC_BAD_RESP_ERR, IBV_WC_LOC_ACCESS_ERR, IBV_WC_REM_INV_REQ_ERR,
  IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_OP_ERR, IBV_WC_RETRY_EXC_ERR, IBV_WC_RNR_RETRY_EXC_ERR
};
enum ibv_wc_opcode { IBV_WC_SEND = 0, IBV_WC_RECV = 128 };

struct ibv_context;
struct ibv_pd;
struct ibv_cq;
struct ibv_qp;
struct ibv_srq;
struct ibv_comp_channel;
struct ibv_device {
  char name[64];
};
struct ibv_sge {
  uint64_t addr;
  uint32_t length, lkey;
};
struct ibv_send_wr {
  uint64_t wr_id;
  ibv_send_wr* next;
  ibv_sge* sg_list;
  int num_sge;
  ibv_wr_opcode opcode;
  unsigned send_flags;
};
struct ibv_recv_wr {
  uint64_t wr_id;
  ibv_recv_wr* next;
  ibv_sge* sg_list;
  int num_sge;
};
struct ibv_wc {
  uint64_t wr_id;
  ibv_wc_status status;
  ibv_wc_opcode opcode;
  uint32_t vendor_err, byte_len, qp_num;
};
struct ibv_context_ops {
  int (*poll_cq)(ibv_cq*, int, ibv_wc*);
  int (*post_send)(ibv_qp*, ibv_send_wr*, ibv_send_wr**);
  int (*post_recv)(ibv_qp*, ibv_recv_wr*, ibv_recv_wr**);
};
struct ibv_context {
  ibv_device* device;
  ibv_context_ops ops;
};
struct ibv_pd {
  ibv_context* context;
};
struct ibv_cq {
  ibv_context* context;
  int cqe;
};
struct ibv_qp {
  ibv_context* context;
  ibv_pd* pd;
  ibv_cq *send_cq, *recv_cq;
  uint32_t qp_num;
  ibv_qp_state state;
};
struct ibv_mr {
  ibv_context* context;
  ibv_pd* pd;
  void* addr;
  size_t length;
  uint32_t lkey, rkey;
};
struct ibv_qp_cap {
  uint32_t max_send_wr, max_recv_wr, max_send_sge, max_recv_sge, max_inline_data;
};
struct ibv_qp_init_attr {
  void* qp_context;
  ibv_cq *send_cq, *recv_cq;
  ibv_srq* srq;
  ibv_qp_cap cap;
  ibv_qp_type qp_type;
  int sq_sig_all;
};
struct ibv_global_route {
  ibv_gid dgid;
  uint32_t flow_label;
  uint8_t sgid_index, hop_limit, traffic_class;
};
struct ibv_ah_attr {
  ibv_global_route grh;
  uint16_t dlid;
  uint8_t sl, src_path_bits, static_rate, is_global, port_num;
};
struct ibv_qp_attr {
  ibv_qp_state qp_state;
  ibv_mtu path_mtu;
  uint32_t rq_psn, sq_psn, dest_qp_num;
  unsigned qp_access_flags;
  ibv_ah_attr ah_attr;
  uint16_t pkey_index;
  uint8_t port_num;
};
struct ibv_port_attr {
  ibv_port_state state;
  ibv_mtu max_mtu, active_mtu;
  int gid_tbl_len;
  uint16_t lid;
};

static inline int ibv_poll_cq(ibv_cq* cq, int n, ibv_wc* done) { return cq->context->ops.poll_cq(cq, n, done); }
static inline int ibv_post_send(ibv_qp* qp, ibv_send_wr* work, ibv_send_wr** bad) {
  return qp->context->ops.post_send(qp, work, bad);
}
static inline int ibv_post_recv(ibv_qp* qp, ibv_recv_wr* work, ibv_recv_wr** bad) {
  return qp->context->ops.post_recv(qp, work, bad);
}
