// What an operator sees and asks for: the engine's side of the admin API.
//
// A command waits until the thing asked for is true, or is known to fail, and says which; it never
// returns success for something that is merely under way.
#pragma once

#include "engine/console.h"
#include "engine/engine.h"

namespace baton::engine {

class Operator final : public Console {
  public:
    explicit Operator(Engine& engine);

    model::StatusView status() const override;
    std::vector<model::ServiceView> services() const override;
    std::vector<model::InstanceView> instances() const override;
    std::vector<model::ListenerView> listeners() const override;
    std::vector<model::GenerationView> generations() const override;
    std::vector<model::RevisionView> revisions() const override;
    std::vector<model::NodeView> nodes() const override;
    std::vector<model::WorkerView> workers() const override;
    std::vector<model::PluginView> plugins() const override;

    boost::asio::awaitable<std::vector<std::string>> health(bool as_owner) override;
    boost::asio::awaitable<std::optional<CommandFailure>> execute(Command command, Progress progress) override;
    std::unique_ptr<Subscription<model::EventView>> follow_events(std::uint64_t after) override;
    std::unique_ptr<Subscription<model::LogLineView>> follow_logs(std::string service, std::optional<std::uint32_t> ordinal, std::size_t lines) override;

  private:
    using Outcome = boost::asio::awaitable<std::optional<CommandFailure>>;
    Outcome reload(ReloadCommand command, Progress progress);
    Outcome scale(ScaleCommand command, Progress progress);
    Outcome power(PowerCommand command, Progress progress);
    Outcome weigh(WeightCommand command, Progress progress);
    Outcome administer(AdminCommand command, Progress progress);
    // Why nothing can be said of new connections to this instance, if so.
    std::optional<CommandFailure> ungoverned(const std::string& service, std::uint32_t ordinal, std::string_view what) const;
    // Until every worker serves by the present table.
    Outcome told(std::string what, Progress progress);
    Outcome upgrade(UpgradeCommand command, Progress progress);
    Outcome reload_plugins(Progress progress);
    boost::asio::awaitable<void> look_at_plugins(bool shipped, Progress progress);
    Outcome check_plugin(PluginCheckCommand command, Progress progress);
    // Until `service` is as wanted, or failed; checked after every turn.
    Outcome settled(std::string service, Progress progress);
    // `rejected_before`: the revision that was taken back already when the wait began.
    Outcome settled(std::string service, std::uint64_t rejected_before, Progress progress);
    Outcome stopped(std::string service, Progress progress);
    Outcome instance_settled(std::string service, std::uint32_t ordinal, bool running, std::uint64_t not_id, Progress progress);
    CommandFailure failure(int status, std::string message, const std::string& log_of) const;

    Engine& engine_;
};

}  // namespace baton::engine
