#include "model/configuration.h"

namespace baton::model {

std::vector<ListenerSpec> listeners_of(const Configuration& configuration, std::string_view service) {
    std::vector<ListenerSpec> list;
    for (const ListenerSpec& listener : configuration.listeners) {
        if (leads_to(listener, service)) list.push_back(listener);
    }
    return list;
}

const ServiceSpec* find_service(const Configuration& configuration, std::string_view name) {
    for (const ServiceSpec& service : configuration.services) {
        if (service.name == name) return &service;
    }
    return nullptr;
}

}  // namespace baton::model
