// How each view looks in a table.
#pragma once

#include <string>
#include <vector>

#include "model/views.h"
#include "terminal.h"

namespace baton::cli {

std::string screen_of(const model::StatusView& status, const Terminal& terminal);

std::string list_of(const std::vector<model::ServiceView>& services, const Terminal& terminal);
std::string list_of(const std::vector<model::InstanceView>& instances, const Terminal& terminal);
std::string list_of(const std::vector<model::ListenerView>& listeners, const Terminal& terminal);
std::string list_of(const std::vector<model::NodeView>& nodes, const Terminal& terminal);
std::string list_of(const std::vector<model::WorkerView>& workers, const Terminal& terminal);
std::string list_of(const std::vector<model::PluginView>& plugins, const Terminal& terminal);
std::string list_of(const std::vector<model::RevisionView>& revisions, const Terminal& terminal);
std::string list_of(const std::vector<model::GenerationView>& generations, const Terminal& terminal);

}  // namespace baton::cli
