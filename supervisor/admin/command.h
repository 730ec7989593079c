// A command under way: it runs in a task of the server's own and leaves its steps here for whoever
// still listens. Its client may go; the command does not.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include <boost/asio/awaitable.hpp>

#include "admin/core.h"
#include "admin/notice.h"
#include "engine/console.h"

namespace baton::admin {

class CommandRun {
  public:
    // Starts `command` in `core->commands`.
    static std::shared_ptr<CommandRun> start(const std::shared_ptr<Core>& core, engine::Command command);

    explicit CommandRun(boost::asio::io_context& context) : changed_(context) {}

    // The next step that was not taken yet; the last one has `done`. Empty: none so far.
    std::optional<model::ProgressView> take();
    // What changed() waits to differ from.
    std::uint64_t count() const { return changed_.count(); }
    boost::asio::awaitable<void> changed(std::uint64_t seen) { return changed_.changed(seen); }
    // After the step with `done`: why it failed, if it did.
    const std::optional<engine::CommandFailure>& failure() const { return failure_; }
    // Nobody listens any more: steps are no longer kept.
    void abandon();

  private:
    static boost::asio::awaitable<void> run(std::shared_ptr<Core> core, std::shared_ptr<CommandRun> self,
                                            engine::Command command);
    void step(const model::ProgressView& view);
    void finish();

    std::deque<model::ProgressView> steps_;
    model::ProgressView last_;
    std::optional<engine::CommandFailure> failure_;
    Notice changed_;
    bool abandoned_ = false;
};

}  // namespace baton::admin
