// The listening sockets of all services, and the steering tables over them, kept as the state says.
//
// With steering in the kernel each instance has a socket of its own; without it (unix sockets, no BPF
// rights) all instances of a service share one. Every socket is held by the keeper under a name:
//   socket/PLACE/IDENTITY   one instance's     shared/IDENTITY   everybody's
//   spare/IDENTITY          opened, and not yet an instance's
//   hidden/PLACE/IDENTITY   an instance's unix socket, through which the workers reach it
// What is proxied is accepted by the workers, from a shared socket.
// Used by the owner; a master on trial opens what is new and holds nothing.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "engine/anchors.h"
#include "engine/keeper_link.h"
#include "model/state.h"
#include "plan/steering.h"
#include "sys/descriptor.h"
#include "sys/steering.h"

namespace baton::engine {

class ServiceManager;

class Sockets {
  public:
    Sockets(KeeperLink& link, Log& log);

    // The one that may hold sockets past the keeper's end.
    void use(const ServiceManager& manager) { manager_ = &manager; }
    // Whoever came to a socket that is no instance's is passed on to one. A handshake that was under way when
    // the last look was taken may have ended there, so this is to be called now and then.
    void tend_anchors();

    // The keeper did not take it.
    void not_held(const std::string& name) { held_.erase(name); }
    // Takes what concerns it out of `held`. What it opened itself and nobody holds yet stays. On trial the
    // steering is left as it is: it belongs to the one who owns the instances.
    enum class Adoption { trial, owner };
    void adopt(std::map<std::string, sys::UniqueFd>& held, Adoption adoption);
    // Loads the eBPF program where no earlier master left one. Only before there is any socket: those
    // opened without it are shared, and stay so. Afterwards steering() tells.
    void load_steering();
    // Drops every descriptor of this process; the keeper's live on.
    void let_go();
    // The same, but what it opened itself and nobody holds yet stays.
    void drop_copies();
    // The end of a trial that led to nothing: what it opened itself goes, the files of unix sockets too.
    void abandon();
    // "kernel", or "shared: why".
    const std::string& steering() const { return steering_text_; }
    bool kernel() const { return steering_.has_value(); }

    // Opens what the configuration needs and nobody holds yet. All or nothing: on failure what was just
    // opened is closed again, and every reason is told.
    std::vector<std::string> prepare(const model::Configuration& configuration);
    // Hands what this master opened, or loaded, to the keeper. When it becomes the owner.
    void hold_all();

    // Sockets and tables of the touched services as the state wants them: opens, holds, publishes what
    // differs, and closes what nobody has a use for any more; not yet, where `with_workers` says that a worker has it.
    void settle(const model::State& state, const std::set<std::string>& touched, const std::function<bool(const std::string&)>& with_workers);
    // Something was not closed for that reason: settle again when workers have confirmed a table.
    bool lingers() const { return lingers_; }

    // At the supervisor's end, when nothing runs any more.
    void close_all();

    // The sockets an instance inherits, in the order of its revision's listeners.
    Result<std::vector<int>> inherited(const model::Revision& revision, const model::Instance& instance) const;
    // A socket to probe the instance through this listener; its source steers to the instance until
    // remove_probe. `exact` is false where the address is shared and any instance may answer.
    struct ProbeSocket {
        sys::UniqueFd socket;
        model::Address target;
        model::Address source;
        bool exact = false;
    };
    Result<ProbeSocket> probe(const model::ListenerSpec& listener, const model::Instance& instance);
    void remove_probe(const ProbeSocket& probe);
    // A shared socket answers for whoever holds it.
    Result<ProbeSocket> probe_address(const model::ListenerSpec& listener) const;

    // Null where there is none of that name.
    const sys::UniqueFd* find(const std::string& name) const;
    // Who may reach the hidden sockets of instances; none: only this process's user.
    void let_workers_in(std::optional<uid_t> uid);

    // Clients waiting on an instance's own sockets; on all sockets of an identity.
    std::uint32_t queued(const model::Instance& instance) const;
    std::uint32_t queued(const std::string& identity) const;
    std::uint32_t count(const std::string& identity) const;
    // Names of listeners whose sockets are missing or closed: this master could not serve them.
    std::vector<std::string> missing(const std::vector<model::ListenerSpec>& listeners) const;

  private:
    bool grouped(model::Delivery delivery, const model::ListenerSpec& listener) const {
        return kernel() && delivery == model::Delivery::inherit && can_steer(listener);
    }
    Result<void> open_spare(const model::ListenerSpec& listener, bool group);
    void open_for(const model::ListenerSpec& listener, const model::InstanceSocket& socket);
    void open_hidden(const model::State& state, const model::ListenerSpec& listener, const model::Instance& instance, const model::InstanceSocket& socket);
    void open_shared(const model::State& state, const model::Service& service);
    void close_unused(const model::State& state, const std::function<bool(const std::string&)>& with_workers);
    void publish(const model::State& state, const model::Service& service);
    bool known(std::string_view identity) const;
    void hold(const std::string& name, const sys::UniqueFd& fd);
    void keep(const std::string& name, sys::UniqueFd fd);
    void drop(const std::string& name);
    void close(const std::string& name);
    void drop_taken_spares(Adoption adoption);
    void forget_groups(const model::State& state);
    void reload_steering();

    void adopt_anchors(std::map<std::string, sys::UniqueFd>& held);
    bool opens_address(const std::string& identity) const;
    void store_anchors(const model::State& state, const model::Service& service);
    std::set<std::uint32_t> taken_places() const;
    plan::Table with_anchor(const std::string& identity, plan::Table table) const;
    void place_anchor(const std::string& identity);
    void pass_on(const std::string& identity);
    void tell_unused(const model::Configuration& configuration) const;
    bool keeps_file(std::string_view identity) const;
    bool drop_anchors(const std::set<std::string>& configured);

    KeeperLink& link_;
    Log& log_;
    std::map<std::string, sys::UniqueFd> sockets_;  // by name
    std::optional<sys::Steering> steering_;
    bool lingers_ = false;
    std::string steering_text_ = "shared: not loaded";
    struct Published {
        plan::Table table;
        sys::Mode mode;
        friend bool operator==(const Published&, const Published&) = default;
    };
    std::map<std::string, Published> published_;  // by identity
    std::map<std::string, model::ListenerSpec> specs_;  // by identity, of what was ever published
    std::map<std::string, int> backlogs_;  // by name, as they were last set
    std::set<std::string> held_;  // names the keeper has
    bool holding_ = false;        // this master is the owner
    std::optional<uid_t> workers_uid_;
    Anchors anchors_;
    const ServiceManager* manager_ = nullptr;
    Millis manager_busy_until_ = 0;
    bool stopping_ = false;  // everything is being stopped
};

}  // namespace baton::engine
