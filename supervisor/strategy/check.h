// The check of a plugin's file before it may take over: what its bytes say, then, in a copy of this process with
// limits, everything that its code does (conformance.h), and that it can be unloaded. Nothing of its code has
// run here afterwards.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "model/balancer.h"
#include "model/plugin.h"
#include "strategy/image.h"
#include "sys/trial.h"

namespace baton::strategy {

// One that is under way, for who has an event loop.
class Check {
  public:
    // An error: the file is refused already, or no process could be started.
    static Result<Check> start(Image image);

    // Readable when advance() has something to do; at the deadline it is over in any case.
    const sys::UniqueFd& output() const { return trial_.output(); }
    Millis deadline() const { return trial_.deadline(); }
    // Does not wait. True: finish() may be called.
    bool advance() { return !trial_.advance(); }
    model::PluginReport finish();
    // For who has no event loop: waits, at most until the deadline.
    model::PluginReport wait();

    // What was checked, to be loaded or handed on.
    Image take_image() { return std::move(image_); }

  private:
    Check(Image image, sys::Trial trial) : image_(std::move(image)), trial_(std::move(trial)) {}
    model::PluginReport conclude(const sys::Trial::End& end) const;

    Image image_;
    sys::Trial trial_;
};

// Whether one that passed its check takes these options for this balancer: it is made, in a copy of this process.
// Waits, at most limits::plugin_check.
Result<void> try_options(const Image& image, const std::string& strategy, const model::StrategyOptions& options);

// Everything at once. Waits, at most limits::plugin_check.
struct Checked {
    model::PluginReport report;
    std::optional<Image> image;  // if the report is good
};
Checked check(const std::string& file);

}  // namespace baton::strategy
