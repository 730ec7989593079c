#include "admin/command.h"

#include <exception>

#include "admin/routes.h"
#include "base/limits.h"

namespace baton::admin {

namespace asio = boost::asio;

std::shared_ptr<CommandRun> CommandRun::start(const std::shared_ptr<Core>& core, engine::Command command) {
    auto self = std::make_shared<CommandRun>(core->context);
    core->commands.spawn(run(core, self, std::move(command)));
    return self;
}

asio::awaitable<void> CommandRun::run(std::shared_ptr<Core> core, std::shared_ptr<CommandRun> self,
                                      engine::Command command) {
    const std::string name = describe(command);
    std::exception_ptr thrown;
    try {
        engine::Progress progress = [self](const model::ProgressView& view) { self->step(view); };
        auto executing = core->console.execute(std::move(command), std::move(progress));
        self->failure_ = co_await std::move(executing);
    } catch (...) {
        thrown = std::current_exception();
        self->failure_.emplace();
        self->failure_->status = 503;
        self->failure_->message = "the supervisor ended before the command did";
    }
    if (self->failure_) {
        core->log.write(LogLevel::warning, "admin", name + " failed: " + self->failure_->message);
    }
    self->finish();
    if (thrown) std::rethrow_exception(thrown);
}

void CommandRun::step(const model::ProgressView& view) {
    last_ = view;
    if (abandoned_) return;
    if (steps_.size() >= limits::admin_progress_backlog) steps_.pop_front();
    steps_.push_back(view);
    // Whether it is done is said once, by finish().
    steps_.back().done = false;
    steps_.back().succeeded = false;
    changed_.notify();
}

void CommandRun::finish() {
    last_.done = true;
    last_.succeeded = !failure_;
    if (failure_) {
        last_.text = failure_->message;
        last_.details = failure_->details;
        last_.status = failure_->status;
        if (!failure_->phase.empty()) last_.phase = failure_->phase;
    } else {
        last_.percent = 100;
    }
    steps_.push_back(last_);
    changed_.notify();
}

std::optional<model::ProgressView> CommandRun::take() {
    if (steps_.empty()) return {};
    model::ProgressView view = std::move(steps_.front());
    steps_.pop_front();
    return view;
}

void CommandRun::abandon() {
    abandoned_ = true;
    steps_.clear();
}

}  // namespace baton::admin
