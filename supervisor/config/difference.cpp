#include "config/difference.h"

#include <map>
#include <utility>

#include <fmt/core.h>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

namespace baton::config {
namespace {

template <class T>
std::vector<std::string> differing_keys(const T& old, const T& fresh, const std::string& prefix = {}) {
    std::vector<std::string> keys;
    boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
        [&](auto member) {
            if (!(old.*member.pointer == fresh.*member.pointer)) keys.push_back(prefix + member.name);
        });
    return keys;
}

// `identity` tells which elements of the two lists are the same thing.
template <class T, class Identity>
Changes compare(const std::vector<T>& old, const std::vector<T>& fresh, Identity identity) {
    Changes changes;
    std::map<std::string, const T*> before;
    for (const T& one : old) before.emplace(identity(one), &one);
    for (const T& one : fresh) {
        const auto found = before.find(identity(one));
        if (found == before.end()) {
            changes.added.push_back(identity(one));
            continue;
        }
        auto keys = differing_keys(*found->second, one);
        if (!keys.empty()) changes.changed.push_back(Change{identity(one), std::move(keys)});
        before.erase(found);
    }
    for (const T& one : old) {
        if (before.contains(identity(one))) changes.removed.push_back(identity(one));
    }
    return changes;
}

void append(std::vector<std::string>& to, std::vector<std::string> from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& one : words) text += (text.empty() ? "" : ", ") + one;
    return text;
}

void describe_changes(std::string_view noun, const Changes& changes, std::vector<std::string>& to) {
    for (const std::string& name : changes.added) to.push_back(fmt::format("{} {} is new", noun, name));
    for (const std::string& name : changes.removed) to.push_back(fmt::format("{} {} is gone", noun, name));
    for (const Change& change : changes.changed) {
        to.push_back(fmt::format("{} {} changed: {}", noun, change.name, joined(change.keys)));
    }
}

}  // namespace

bool Difference::empty() const {
    return listeners.empty() && services.empty() && applied.empty() && postponed.empty();
}

std::vector<std::string> Difference::describe() const {
    std::vector<std::string> sentences;
    describe_changes("listener", listeners, sentences);
    describe_changes("service", services, sentences);
    for (const std::string& key : applied) sentences.push_back(fmt::format("{} changed", key));
    for (const std::string& key : postponed) {
        sentences.push_back(fmt::format("{} changed: it keeps its old value until Baton is restarted", key));
    }
    return sentences;
}

Difference difference(const model::Configuration& old, const model::Configuration& fresh) {
    Difference result;
    result.listeners = compare(old.listeners, fresh.listeners,
                               [](const model::ListenerSpec& listener) { return model::identity(listener); });
    result.services =
        compare(old.services, fresh.services, [](const model::ServiceSpec& service) { return service.name; });

    const model::SupervisorSpec& before = old.supervisor;
    const model::SupervisorSpec& after = fresh.supervisor;
    if (before.pid_file != after.pid_file) result.postponed.push_back("supervisor.pid_file");
    if (before.runtime_dir != after.runtime_dir) result.postponed.push_back("supervisor.runtime_dir");
    if (before.state_dir != after.state_dir) result.postponed.push_back("supervisor.state_dir");
    if (before.admin_socket != after.admin_socket) result.postponed.push_back("admin.socket");
    if (before.user != after.user) result.applied.push_back("supervisor.user");
    append(result.applied, differing_keys(old.plugins, fresh.plugins, "plugins."));
    append(result.applied, differing_keys(before.log, after.log, "supervisor.log."));
    append(result.applied, differing_keys(before.upgrade, after.upgrade, "supervisor.upgrade."));
    return result;
}

}  // namespace baton::config
