// Who waits in a worker: for something to be possible with a descriptor, and for a time to be over. One
// deadline at a time is enough, as each phase of a connection has its own.
//
// Deadlines are lists, one for each length of wait that is in use: what is added last is due last, so that
// setting one costs no search however many there are. One thread; nothing here owns anybody.
#pragma once

#include <cstdint>
#include <map>

#include <boost/intrusive/list.hpp>

#include "base/time.h"
#include "sys/readiness.h"

namespace baton::gateway {

using AutoUnlink = boost::intrusive::link_mode<boost::intrusive::auto_unlink>;
template <class T>
using AutoList = boost::intrusive::list<T, boost::intrusive::constant_time_size<false>>;

class Timed : public boost::intrusive::list_base_hook<AutoUnlink> {
  public:
    Timed() = default;
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;
    virtual ~Timed() = default;

    virtual void on_deadline() = 0;

  private:
    friend class Deadlines;
    Millis due_ = never;
};

class Handler : public Timed {
  public:
    virtual void on_ready(const sys::Readiness& event) = 0;
    // A stream of its own did not take all that was posted on it: it settles that.
    virtual void on_late() {}

  private:
    friend struct Core;
    bool again_ = false;  // it has another turn
};

class Deadlines {
  public:
    // Replaces the deadline of `timed`, which goes with it.
    void set(Timed& timed, Millis now, Millis wait);
    // The same, where it matters little whether it is up to a second too early: for what is done often.
    void renew(Timed& timed, Millis now, Millis wait);
    void clear(Timed& timed) { timed.unlink(); }
    // The earliest; `never` where there is none.
    Millis next() const;
    // Those whose time is over are told.
    void run(Millis now);

  private:
    std::map<Millis, AutoList<Timed>> lists_;  // by the length of wait: as many as configurations have named
};

}  // namespace baton::gateway
