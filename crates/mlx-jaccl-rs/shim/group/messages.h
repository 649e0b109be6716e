// Whole messages between rank 0 and every other rank, in order. Used by the thread that owns the engine.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "life.h"

namespace mj {

class Messages {
 public:
  // sockets: by rank, -1 where none is. They stay open as long as this lives.
  Messages(std::shared_ptr<Life>, std::vector<int> sockets, int send_ms);

  void send(int rank, const uint8_t* bytes, size_t n);
  // Waits for the next whole message and gives its length, 0 when none came in time. take() gives its bytes.
  size_t receive(int rank, int timeout_ms);
  void take(int rank, uint8_t* out);

 private:
  struct Inbox {
    int fd;
    std::vector<uint8_t> bytes;
    size_t filled = 0;
  };
  Inbox& inbox(int rank);

  std::shared_ptr<Life> life_;
  std::vector<Inbox> inboxes_;
  const int send_ms_;
};

}  // namespace mj
