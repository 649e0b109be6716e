// A provider of verbs without hardware: an unreliable connected queue pair is a Unix socket. It checks what a provider
// checks (states, memory regions, depths, the limits of Apple's devices) and does the damage that a test orders.
// Sockets are abstract: nothing is left when a process is killed. FAKE_VERBS_SESSION keeps tests apart.
#include "fake_verbs.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "infiniband/verbs.h"

namespace {

constexpr int kGids = 4;
constexpr long kMostPairs = 10;  // of an Apple device; the eleventh fails with EBUSY
constexpr int kRefusedType = 102;
constexpr int kUnreachable = 60;

fake::Faults& faults() {
  static fake::Faults* made = new fake::Faults;
  return *made;
}

uint64_t now_ns() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

struct Head {
  uint64_t length, sent_ns;
};
struct Work {
  uint64_t id;
  char* at;
  uint32_t length;
};

struct Pair;
struct Queue : ibv_cq {
  std::mutex mutex;
  std::deque<ibv_wc> done;
  std::vector<Pair*> pairs;
};
struct Pair : ibv_qp {
  Queue* queue = nullptr;
  int listener = -1, fd = -1;
  size_t most_sends = 0, most_receives = 0;
  bool ready = false, broken = false;
  std::deque<Work> sends, receives;
  // What is on its way out and in.
  Head out{}, in{};
  size_t sent = 0, received = 0;
  bool is_open = false;
  uint64_t free_ns = 0;
};

std::mutex regions_mutex;
std::map<uint32_t, ibv_mr*> regions;
std::atomic<uint32_t> next_key{1};
std::atomic<long> pairs{0};
std::atomic<uint32_t> next_pair{1};

void address_of(uint32_t number, sockaddr_un& address, socklen_t& length) {
  address = {};
  address.sun_family = AF_UNIX;
  const char* session = std::getenv("FAKE_VERBS_SESSION");
  const int n = std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "fake-verbs/%s/%u",
                              session ? session : "", number);
  length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + n);
}

void complete(Pair& pair, uint64_t id, ibv_wc_opcode code, ibv_wc_status status, uint32_t length) {
  ibv_wc done{};
  done.wr_id = id, done.opcode = code, done.status = status, done.byte_len = length, done.qp_num = pair.qp_num;
  pair.queue->done.push_back(done);
}

// The peer is gone.
void break_off(Pair& pair) {
  if (pair.broken) return;
  pair.broken = true;
  if (!faults().get("flush")) return;
  pair.state = IBV_QPS_ERR;
  for (auto& work : pair.sends) complete(pair, work.id, IBV_WC_SEND, IBV_WC_WR_FLUSH_ERR, 0);
  for (auto& work : pair.receives) complete(pair, work.id, IBV_WC_RECV, IBV_WC_WR_FLUSH_ERR, 0);
  pair.sends.clear(), pair.receives.clear();
}

// -1: the peer is gone. 0: nothing now.
ssize_t moved(Pair& pair, ssize_t n) {
  if (n > 0) return n;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  break_off(pair);
  return -1;
}

bool send_front(Pair& pair) {
  Work& work = pair.sends.front();
  if (!pair.is_open) {
    const uint64_t now = now_ns();
    if (pair.free_ns > now) return false;
    if (const long rate = faults().get("mbps")) pair.free_ns = now + uint64_t{work.length} * 1000 / rate;
    pair.out = {work.length, now}, pair.sent = 0, pair.is_open = true;
  }
  const size_t head = sizeof(Head);
  iovec parts[2];
  int count = 0;
  if (pair.sent < head) parts[count++] = {reinterpret_cast<char*>(&pair.out) + pair.sent, head - pair.sent};
  const size_t body = pair.sent < head ? 0 : pair.sent - head;
  parts[count++] = {work.at + body, work.length - body};
  msghdr message{};
  message.msg_iov = parts, message.msg_iovlen = count;
  const ssize_t n = moved(pair, ::sendmsg(pair.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
  if (n <= 0) return false;
  pair.sent += n;
  if (pair.sent < head + work.length) return false;
  complete(pair, work.id, IBV_WC_SEND, IBV_WC_SUCCESS, work.length);
  pair.sends.pop_front();
  pair.is_open = false;
  return true;
}

bool receive_front(Pair& pair) {
  // Held back until there is room: kinder than a real device, which drops it.
  if (pair.receives.empty()) return false;
  const size_t head = sizeof(Head);
  if (pair.received < head) {
    char* to = reinterpret_cast<char*>(&pair.in) + pair.received;
    const ssize_t n = moved(pair, ::recv(pair.fd, to, head - pair.received, MSG_DONTWAIT));
    if (n <= 0) return false;
    pair.received += n;
    if (pair.received < head) return true;
  }
  if (const long late = faults().get("lat_us"); late && now_ns() < pair.in.sent_ns + uint64_t(late) * 1000) return false;
  Work& work = pair.receives.front();
  if (pair.in.length > work.length) {
    complete(pair, work.id, IBV_WC_RECV, IBV_WC_LOC_LEN_ERR, 0);
    break_off(pair);
    return false;
  }
  const size_t body = pair.received - head;
  if (body < pair.in.length) {
    const ssize_t n = moved(pair, ::recv(pair.fd, work.at + body, pair.in.length - body, MSG_DONTWAIT));
    if (n <= 0) return false;
    pair.received += n;
    if (pair.received < head + pair.in.length) return true;
  }
  complete(pair, work.id, IBV_WC_RECV, IBV_WC_SUCCESS, static_cast<uint32_t>(pair.in.length));
  pair.receives.pop_front();
  pair.received = 0;
  return true;
}

void progress(Pair& pair) {
  if (!pair.ready || pair.broken || faults().get("cable")) return;
  if (pair.fd < 0) pair.fd = ::accept4(pair.listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (pair.fd < 0) return;
  while (!pair.sends.empty() && send_front(pair)) {
  }
  while (!pair.broken && receive_front(pair)) {
  }
}

int check(const Pair& pair, const ibv_sge& part) {
  const std::lock_guard<std::mutex> lock(regions_mutex);
  const auto found = regions.find(part.lkey);
  if (found == regions.end()) return EINVAL;
  const ibv_mr& region = *found->second;
  const char *begin = static_cast<char*>(region.addr), *at = reinterpret_cast<char*>(part.addr);
  return region.pd == pair.pd && at >= begin && at + part.length <= begin + region.length ? 0 : EINVAL;
}

int post_send(ibv_qp* qp, ibv_send_wr* work, ibv_send_wr** bad) {
  Pair& pair = *static_cast<Pair*>(qp);
  const std::lock_guard<std::mutex> lock(pair.queue->mutex);
  faults().look();
  for (; work; work = work->next) {
    *bad = work;
    if (const long error = faults().once("send_errno")) return static_cast<int>(error);
    if (work->num_sge != 1 || work->opcode != IBV_WR_SEND) return EINVAL;
    if (pair.state != IBV_QPS_RTS && pair.state != IBV_QPS_ERR) return EINVAL;
    if (pair.sends.size() >= pair.most_sends) return ENOMEM;
    const ibv_sge& part = *work->sg_list;
    if (const int error = check(pair, part)) return error;
    char* at = reinterpret_cast<char*>(part.addr);
    if (pair.state == IBV_QPS_ERR) {
      complete(pair, work->wr_id, IBV_WC_SEND, IBV_WC_WR_FLUSH_ERR, 0);
    } else if (faults().once("drop")) {
      complete(pair, work->wr_id, IBV_WC_SEND, IBV_WC_SUCCESS, part.length);
    } else {
      // Near the front: the rest of a frame may be padding.
      if (faults().once("corrupt")) at[4 * 16 + 3] ^= 0x40;
      pair.sends.push_back({work->wr_id, at, part.length});
    }
  }
  progress(pair);
  return 0;
}

int post_receive(ibv_qp* qp, ibv_recv_wr* work, ibv_recv_wr** bad) {
  Pair& pair = *static_cast<Pair*>(qp);
  const std::lock_guard<std::mutex> lock(pair.queue->mutex);
  for (; work; work = work->next) {
    *bad = work;
    if (work->num_sge != 1) return EINVAL;
    if (pair.receives.size() >= pair.most_receives) return ENOMEM;
    const ibv_sge& part = *work->sg_list;
    if (const int error = check(pair, part)) return error;
    if (pair.state == IBV_QPS_ERR) complete(pair, work->wr_id, IBV_WC_RECV, IBV_WC_WR_FLUSH_ERR, 0);
    else pair.receives.push_back({work->wr_id, reinterpret_cast<char*>(part.addr), part.length});
  }
  return 0;
}

int poll(ibv_cq* cq, int most, ibv_wc* done) {
  Queue& queue = *static_cast<Queue*>(cq);
  int count = 0;
  {
    const std::lock_guard<std::mutex> lock(queue.mutex);
    for (Pair* pair : queue.pairs) progress(*pair);
    for (; count < most && !queue.done.empty(); queue.done.pop_front()) done[count++] = queue.done.front();
  }
  if (count == 0) ::sched_yield();  // a test has more ranks than cores
  return count;
}

}  // namespace

extern "C" {

ibv_device** ibv_get_device_list(int* count) {
  std::vector<std::string> names;
  const char* listed = std::getenv("FAKE_VERBS_DEVICES");
  std::string text = listed ? listed : "rdma_en2,rdma_en3,rdma_en4,rdma_en5";
  for (size_t at = 0; at <= text.size() && !faults().get("none");) {
    const size_t end = std::min(text.find(',', at), text.size());
    names.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  // Kept: contexts name their device for as long as they live.
  auto* list = new ibv_device*[names.size() + 1]();
  for (size_t i = 0; i < names.size(); ++i) {
    list[i] = new ibv_device{};
    names[i].copy(list[i]->name, sizeof list[i]->name - 1);
  }
  if (count) *count = static_cast<int>(names.size());
  return list;
}
void ibv_free_device_list(ibv_device** list) { delete[] list; }
const char* ibv_get_device_name(ibv_device* device) { return device->name; }
ibv_context* ibv_open_device(ibv_device* device) { return new ibv_context{device, {poll, post_send, post_receive}}; }
int ibv_close_device(ibv_context* context) { return delete context, 0; }
ibv_pd* ibv_alloc_pd(ibv_context* context) { return new ibv_pd{context}; }
int ibv_dealloc_pd(ibv_pd* domain) { return delete domain, 0; }

ibv_cq* ibv_create_cq(ibv_context* context, int entries, void*, ibv_comp_channel*, int) {
  auto* queue = new Queue;
  queue->context = context, queue->cqe = entries;
  return queue;
}
int ibv_destroy_cq(ibv_cq* queue) { return delete static_cast<Queue*>(queue), 0; }

ibv_qp* ibv_create_qp(ibv_pd* domain, ibv_qp_init_attr* wanted) {
  if (wanted->qp_type != IBV_QPT_UC) return errno = kRefusedType, nullptr;
  if (pairs >= faults().get("max_qp", kMostPairs)) return errno = EBUSY, nullptr;
  auto pair = std::make_unique<Pair>();
  pair->context = domain->context, pair->pd = domain;
  pair->send_cq = pair->recv_cq = wanted->send_cq;
  pair->queue = static_cast<Queue*>(wanted->send_cq);
  pair->most_sends = wanted->cap.max_send_wr, pair->most_receives = wanted->cap.max_recv_wr;
  pair->qp_num = (static_cast<uint32_t>(::getpid()) << 8 | (next_pair++ & 0xff)) & 0x7fffffff;
  pair->listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_un address;
  socklen_t length;
  address_of(pair->qp_num, address, length);
  if (::bind(pair->listener, reinterpret_cast<sockaddr*>(&address), length) || ::listen(pair->listener, 4)) {
    ::close(pair->listener);
    return nullptr;
  }
  ++pairs;
  const std::lock_guard<std::mutex> lock(pair->queue->mutex);
  pair->queue->pairs.push_back(pair.get());
  return pair.release();
}
int ibv_destroy_qp(ibv_qp* qp) {
  auto* pair = static_cast<Pair*>(qp);
  {
    const std::lock_guard<std::mutex> lock(pair->queue->mutex);
    std::erase(pair->queue->pairs, pair);
  }
  if (pair->fd >= 0) ::close(pair->fd);
  ::close(pair->listener);
  --pairs;
  return delete pair, 0;
}

int ibv_modify_qp(ibv_qp* qp, ibv_qp_attr* wanted, int) {
  Pair& pair = *static_cast<Pair*>(qp);
  const std::lock_guard<std::mutex> lock(pair.queue->mutex);
  if (wanted->qp_state == IBV_QPS_RTR) {
    if (const long error = faults().get("rtr_errno")) return static_cast<int>(error);
    if (wanted->ah_attr.grh.sgid_index != faults().get("gid", 1) || pair.state != IBV_QPS_INIT) return EINVAL;
    // The higher number connects, the lower accepts.
    if (pair.qp_num > wanted->dest_qp_num) {
      pair.fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_un address;
      socklen_t length;
      address_of(wanted->dest_qp_num, address, length);
      if (::connect(pair.fd, reinterpret_cast<sockaddr*>(&address), length)) return kUnreachable;
      ::fcntl(pair.fd, F_SETFL, O_NONBLOCK);
    }
    pair.ready = true;
  }
  pair.state = wanted->qp_state;
  return 0;
}

int ibv_query_port(ibv_context*, uint8_t, ibv_port_attr* port) {
  *port = {IBV_PORT_ACTIVE, IBV_MTU_4096, IBV_MTU_4096, kGids, 0};
  return 0;
}
int ibv_query_gid(ibv_context*, uint8_t, int index, ibv_gid* gid) {
  *gid = {};
  if (index == faults().get("gid", 1)) {
    const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 169, 254, 0, 1};
    std::copy_n(mapped, 16, gid->raw);
  } else if (index == 0) {
    gid->raw[0] = 0xfe, gid->raw[1] = 0x80, gid->raw[15] = 1;
  }
  return 0;
}

ibv_mr* ibv_reg_mr(ibv_pd* domain, void* at, size_t length, int) {
  const std::lock_guard<std::mutex> lock(regions_mutex);
  if (const long most = faults().get("max_mr"); most && static_cast<long>(regions.size()) >= most)
    return errno = ENOMEM, nullptr;
  const uint32_t key = next_key++;
  return regions[key] = new ibv_mr{domain->context, domain, at, length, key, key};
}
int ibv_dereg_mr(ibv_mr* region) {
  const std::lock_guard<std::mutex> lock(regions_mutex);
  regions.erase(region->lkey);
  return delete region, 0;
}

}  // extern "C"
