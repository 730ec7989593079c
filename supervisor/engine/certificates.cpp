#include "engine/certificates.h"

#include "gateway/tls.h"

namespace baton::engine {

void Certificates::settle(const model::RouteTable& table) {
    std::map<std::string, sys::UniqueFd> named;
    for (const model::Entrance& entrance : table.entrances) {
        if (!entrance.tls) continue;
        const std::string certificate = model::certificate_of(entrance);
        const std::string key = model::key_of(entrance);
        if (const auto known = files_.find(certificate); known != files_.end() && known->second.valid()) {
            named[certificate] = std::move(known->second);
            named[key] = std::move(files_.at(key));
            continue;
        }
        sys::UniqueFd& certificate_file = named[certificate];
        sys::UniqueFd& key_file = named[key];
        const auto found = gateway::read_credentials(*entrance.tls);
        auto one = found ? sys::sealed_memory("baton-certificate", found->certificate) : Result<sys::UniqueFd>(found.error());
        auto two = found ? sys::sealed_memory("baton-key", found->key) : Result<sys::UniqueFd>(found.error());
        if (one && two) {
            certificate_file = std::move(*one);
            key_file = std::move(*two);
        } else {
            log_.error("listener {}: {}; new connections go on with the certificate before it", entrance.name, (one ? two : one).error().message());
        }
    }
    files_ = std::move(named);
}

const sys::UniqueFd* Certificates::find(const std::string& name) const {
    const auto found = files_.find(name);
    return found == files_.end() || !found->second.valid() ? nullptr : &found->second;
}

}  // namespace baton::engine
