#include "gateway/handler.h"

#include <algorithm>

namespace baton::gateway {
namespace {

constexpr Millis slack = 1'000;

}  // namespace

void Deadlines::set(Timed& timed, Millis now, Millis wait) {
    timed.unlink();
    timed.due_ = wait >= never - now ? never : now + wait;
    lists_[wait].push_back(timed);
}

void Deadlines::renew(Timed& timed, Millis now, Millis wait) {
    if (!timed.is_linked() || timed.due_ > now + wait || timed.due_ < now + wait - slack) set(timed, now, wait);
}

Millis Deadlines::next() const {
    Millis earliest = never;
    for (const auto& [wait, list] : lists_) {
        if (!list.empty()) earliest = std::min(earliest, list.front().due_);
    }
    return earliest;
}

void Deadlines::run(Millis now) {
    for (auto entry = lists_.begin(); entry != lists_.end();) {
        AutoList<Timed>& list = entry->second;
        while (!list.empty() && list.front().due_ <= now) {
            Timed& timed = list.front();
            timed.unlink();
            timed.on_deadline();
        }
        entry = list.empty() ? lists_.erase(entry) : std::next(entry);
    }
}

}  // namespace baton::gateway
