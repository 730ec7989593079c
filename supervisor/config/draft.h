// A configuration while it is read: what the model will hold, and where each part of it was written, so
// that the checks between the parts can point at lines.
#pragma once

#include <optional>
#include <vector>

#include "config/node.h"
#include "config/table.h"
#include "model/configuration.h"

namespace baton::config {

struct ListenerOrigin {
    Place self;
    Place address;
    Place service;
    Places keys;  // what was written in its tables
};

struct ServiceOrigin {
    Place self;
    Place depends_on;
    Place startup;
    Place readiness;
    Place liveness;
    std::optional<Place> balance;
    std::optional<Place> user;  // none: it has the supervisor's
    bool delivery_known = true;      // false: misspelt, and that is all there is to say of it
    bool readiness_by_port = false;  // nothing is said of it, and the program binds a port
    Places keys;  // what was written in its tables of traffic
};

struct Draft {
    model::Configuration configuration;
    Place runtime_dir;
    Place admin_socket;
    Place supervisor_user;
    Place plugin_directories;
    // Beside configuration.listeners and configuration.services, element by element.
    std::vector<ListenerOrigin> listeners;
    std::vector<ServiceOrigin> services;
};

}  // namespace baton::config
