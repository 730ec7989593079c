#include "model/service.h"

namespace baton::model {

bool by_workers(const ServiceSpec& spec) {
    return spec.delivery != Delivery::inherit;
}

bool has_hidden_sockets(const ServiceSpec& spec) {
    if (spec.runtime == Runtime::external) return false;
    return spec.delivery == Delivery::handoff || (spec.delivery == Delivery::proxy && spec.upstream == Upstream::socket);
}

bool binds_port(const ServiceSpec& spec) {
    return spec.runtime == Runtime::process && spec.delivery == Delivery::proxy && spec.upstream == Upstream::port;
}

bool inherits(const ServiceSpec& spec) {
    return spec.delivery == Delivery::inherit || has_hidden_sockets(spec);
}

}  // namespace baton::model
