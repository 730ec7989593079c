#include "show.h"

#include <cstdio>
#include <variant>
#include <vector>

#include <fmt/core.h>

#include "model/codec.h"
#include "model/views.h"
#include "say.h"
#include "screen.h"

namespace baton::cli {
namespace {

// The document at `target`, or why there is none.
std::variant<std::string, Complaint> fetch(const Client& client, std::string target) {
    Call call;
    call.target = std::move(target);
    const auto reply = client.ask(std::move(call));
    if (!reply) return Complaint{reply.error().message(), {}};
    if (reply->status != 200) return complaint_of(*reply);
    return reply->body;
}

struct Output {
    const Client& client;
    const Terminal& terminal;
    bool json;
};

int not_understood(const Error& error) {
    return complain("the supervisor's answer is not understood: " + error.message());
}

// Those of the list that `wanted` picks; all where no name was given.
template <class View, class Wanted>
int print_views(const Output& output, const std::string& target, const Get& get, Wanted wanted) {
    const auto fetched = fetch(output.client, target);
    if (const auto* complaint = std::get_if<Complaint>(&fetched)) return complain(*complaint);
    const auto& document = std::get<std::string>(fetched);
    auto views = model::decode<std::vector<View>>(document);
    if (!views) return not_understood(views.error());
    if (!get.name.empty()) {
        std::erase_if(*views, [&](const View& view) { return !wanted(view); });
        if (views->empty()) return complain(fmt::format("there is no {} '{}'", get.kind, get.name));
    }
    if (!output.json) {
        fmt::print("{}", list_of(*views, output.terminal));
    } else {
        // Untouched where nothing was left out.
        fmt::print("{}\n", get.name.empty() ? document : model::encode(*views));
    }
    return succeeded;
}

// One thing that has a path of its own.
template <class View>
int print_view(const Output& output, const std::string& target) {
    const auto fetched = fetch(output.client, target);
    if (const auto* complaint = std::get_if<Complaint>(&fetched)) return complain(*complaint);
    const auto& document = std::get<std::string>(fetched);
    const auto view = model::decode<View>(document);
    if (!view) return not_understood(view.error());
    fmt::print("{}", output.json ? document + "\n" : list_of(std::vector<View>{*view}, output.terminal));
    return succeeded;
}

int print_instances(const Output& output, const Get& get) {
    const auto slash = get.name.find('/');
    if (slash != std::string::npos) {
        return print_view<model::InstanceView>(
            output, path_of({"instances", get.name.substr(0, slash), get.name.substr(slash + 1)}));
    }
    return print_views<model::InstanceView>(output, "/v1/instances", get,
                                            [&](const auto& view) { return view.service == get.name; });
}

}  // namespace

int print_status(const Client& client, const Terminal& terminal, bool json) {
    const auto fetched = fetch(client, "/v1/status");
    if (const auto* complaint = std::get_if<Complaint>(&fetched)) return complain(*complaint);
    const auto& document = std::get<std::string>(fetched);
    const auto status = model::decode<model::StatusView>(document);
    if (!status) return not_understood(status.error());
    fmt::print("{}", json ? document + "\n" : screen_of(*status, terminal));
    return succeeded;
}

int print_list(const Client& client, const Terminal& terminal, bool json, const Get& get) {
    const Output output{client, terminal, json};
    const std::string& name = get.name;
    if (get.kind == "service" && !name.empty()) {
        return print_view<model::ServiceView>(output, path_of({"services", name}));
    }
    if (get.kind == "service") {
        return print_views<model::ServiceView>(output, "/v1/services", get, [](const auto&) { return true; });
    }
    if (get.kind == "instance") return print_instances(output, get);
    if (get.kind == "listener") {
        return print_views<model::ListenerView>(output, "/v1/listeners", get,
                                                [&](const auto& view) { return view.name == name; });
    }
    if (get.kind == "worker") {
        return print_views<model::WorkerView>(output, "/v1/workers", get,
                                              [&](const auto& view) { return view.name == name; });
    }
    if (get.kind == "plugin") {
        return print_views<model::PluginView>(output, "/v1/plugins", get,
                                              [&](const auto& view) { return view.name == name; });
    }
    if (get.kind == "node") {
        return print_views<model::NodeView>(output, "/v1/nodes", get,
                                            [&](const auto& view) { return view.name == name; });
    }
    if (get.kind == "revision") {
        return print_views<model::RevisionView>(output, "/v1/revisions", get, [&](const auto& view) {
            return view.service == name || std::to_string(view.revision) == name;
        });
    }
    return print_views<model::GenerationView>(output, "/v1/generations", get, [&](const auto& view) {
        return std::to_string(view.generation) == name;
    });
}

}  // namespace baton::cli
