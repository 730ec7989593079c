// The probes that should run now, run: for each instance the startup, readiness and liveness loops its
// state asks for. A verdict becomes an event.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "base/log.h"
#include "engine/sockets.h"
#include "model/events.h"
#include "model/state.h"
#include "run/probe.h"

namespace baton::engine {

class Probes {
  public:
    Probes(boost::asio::io_context& context, Sockets& sockets, Log& log, std::function<void(model::Event)> event);

    // Starts and ends loops so that they match the instances' states.
    void settle(const model::State& state);
    void stop_all() { loops_.clear(); }

  private:
    using Key = std::pair<std::uint64_t, model::ProbeKind>;  // the process, not the place

    void start(const Key& key, const model::State& state, const model::Revision& revision, const model::Instance& instance, const model::ProbeSpec& spec);

    boost::asio::io_context& context_;
    Sockets& sockets_;
    Log& log_;
    std::function<void(model::Event)> event_;
    struct Loop {
        model::ProbeSpec spec;
        std::unique_ptr<run::ProbeLoop> running;
    };
    std::map<Key, Loop> loops_;
};

}  // namespace baton::engine
