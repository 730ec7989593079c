// Commands that change something: sent, followed to their end, and answered for. A connection that
// breaks on the way (the master behind it was replaced) does not leave the user without a verdict.
#pragma once

#include "client.h"
#include "options.h"
#include "terminal.h"

namespace baton::cli {

class Order {
  public:
    Order(const Client& client, const Terminal& terminal, bool json)
        : client_(client), terminal_(terminal), json_(json) {}

    // The exit status: 0 only if the thing asked for is true.
    int operator()(const Power& power) const;
    int operator()(const Scale& scale) const;
    int operator()(const Weight& weight) const;
    int operator()(const Admin& admin) const;
    int operator()(const Reload& reload) const;
    int operator()(const Upgrade& upgrade) const;
    int operator()(const Reopen& reopen) const;
    int operator()(const Shutdown& shutdown) const;
    int operator()(const PluginReload& reload) const;
    int operator()(const PluginCheck& check) const;

  private:
    int restart(const Subject& subject) const;

    const Client& client_;
    const Terminal& terminal_;
    bool json_;
};

}  // namespace baton::cli
