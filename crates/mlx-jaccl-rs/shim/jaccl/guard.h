// JACCL waits for completions without end and reads no status. This makes every wait end: it wraps the verbs that
// JACCL polls with, throws out of them when the group is over, a deadline passes or a completion failed, and refuses to
// pass on what is not whole. It changes nothing in JACCL.
#pragma once
#include <cstdint>

#include "../group/watch.h"

namespace mj::guard {

// Before the devices are opened. `watch` is asked until release().
void install(Watch& watch);
void release();
// Whether the wrapped verbs are the ones that are used: known after the first collective.
bool is_used();
// Brackets a collective: what a helper thread of JACCL threw is lost there, and thrown by end().
void begin(int64_t deadline_ms);
void end();

}  // namespace mj::guard
