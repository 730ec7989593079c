#include "patience.h"

#include <chrono>
#include <thread>

#include "base/limits.h"

namespace baton::cli {

// This pause is the only one. Where there is something to wait for, it is waited for: the keeper holds the admin
// socket, so while one master takes over from another a connection waits in the queue until somebody accepts it.
// Asked again is who did answer, but with what will not stay so: a master that is about to end, an upgrade that is
// not over. The moment in which that changes is told to nobody, least of all by a master that is killed; neither is
// it when a supervisor that has ended is started again.
bool Patience::try_again() {
    const Millis now = monotonic_now();
    if (deadline_ == never) deadline_ = now + limits::client_reconnect;
    if (now >= deadline_) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(limits::client_retry_interval));
    return true;
}

}  // namespace baton::cli
