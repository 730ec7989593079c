// baton: what an operator types. It knows the admin API and nothing of the supervisor's inside.
#include <exception>

#include "client.h"
#include "follow.h"
#include "options.h"
#include "order.h"
#include "say.h"
#include "show.h"
#include "terminal.h"

namespace baton::cli {
namespace {

struct Perform {
    const Client& client;
    const Terminal& terminal;
    bool json;

    int operator()(const Status&) const { return print_status(client, terminal, json); }
    int operator()(const Get& get) const { return print_list(client, terminal, json, get); }
    int operator()(const Logs& logs) const { return print_logs(client, terminal, json, logs); }
    int operator()(const Events& events) const { return print_events(client, terminal, json, events); }
    // Everything else changes something.
    template <class Command>
    int operator()(const Command& command) const {
        return Order(client, terminal, json)(command);
    }
};

int run(int argc, char** argv) {
    const auto parsed = parse_options(argc, argv);
    if (const auto* status = std::get_if<int>(&parsed)) return *status;
    const auto& options = std::get<Options>(parsed);
    const Client client(options.socket);
    const Terminal terminal = Terminal::of_standard_output();
    return std::visit(Perform{client, terminal, options.json}, options.task);
}

}  // namespace
}  // namespace baton::cli

int main(int argc, char** argv) {
    try {
        return baton::cli::run(argc, argv);
    } catch (const std::exception& error) {
        return baton::cli::complain(error.what());
    }
}
