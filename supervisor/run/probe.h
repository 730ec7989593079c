// Probes: whether a program answers. probe() tries once; ProbeLoop goes on for as long as it lives
// and tells when the answer changes. One thread, the io_context's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "base/result.h"
#include "base/time.h"
#include "model/address.h"
#include "model/service.h"
#include "sys/descriptor.h"

namespace baton::run {

struct ProbeTarget {
    model::Address address;
    model::ProbeType type = model::ProbeType::tcp;  // tcp or http
    std::string path = "/";                         // http
    Millis timeout = 1000;                          // for everything together
};

// One attempt. `socket` is a stream socket for the target, not connected; it is non-blocking, and
// bound where the source must be known. tcp passes when it connects; http passes when a GET is
// answered completely with a status from 200 to 399 (of a long answer the first
// limits::probe_response_bytes). The Error says what came instead: "connection refused", "HTTP
// 500", "no answer within 1s". Cancelled, it returns an Error soon.
boost::asio::awaitable<Result<void>> probe(sys::UniqueFd socket, ProbeTarget target);

// What one attempt of a loop needs.
struct Attempt {
    sys::UniqueFd socket;
    ProbeTarget target;
    std::function<void()> done;  // called once when the attempt is over, or the loop is destroyed
};

// Runs one ProbeSpec against one instance.
//
// The first attempt comes after initial_delay, the others `interval` after the one before began (or
// when it ended, if that is later). `on_change` is called when `success` attempts in a row passed
// or `failure` in a row failed, for the first time and then each time the verdict is the other one;
// `why` is the last failure.
//
// Until the first attempt passes, and while there is no verdict, attempts come faster: after
// limits::probe_first_interval, then twice that, and so on up to `interval`. So a program is seen
// ready soon after it is. A failure in this phase counts only if a whole `interval` has passed
// since the one counted before: `failure` times `interval` mean the same as ever. Successes always
// count at the pace of `interval`.
//
// Where the factory returns an Error there was no attempt: that says nothing of the instance,
// counts as nothing, and is the factory's to report. The next attempt comes after `interval`.
class ProbeLoop {
  public:
    using Factory = std::function<Result<Attempt>()>;
    using Callback = std::function<void(bool passed, std::string why)>;

    ProbeLoop(boost::asio::io_context& context, const model::ProbeSpec& spec, Factory factory,
              Callback on_change);
    // Also inside of a callback. Nothing is called afterwards.
    ~ProbeLoop();
    ProbeLoop(const ProbeLoop&) = delete;
    ProbeLoop& operator=(const ProbeLoop&) = delete;

  private:
    struct Run;
    std::shared_ptr<Run> run_;
};

}  // namespace baton::run
