// The machine of one instance: what happens to it in each state. Internal to plan/.
#pragma once

#include <string>

#include "model/state.h"
#include "plan/turn.h"

namespace baton::plan {

// The only place where an instance changes its state; `reason` goes into the event.
void become(Turn& turn, model::Instance& instance, model::InstanceState to, const std::string& reason);

// Asks for a process. The instance must have none.
void start(Turn& turn, model::Service& service, model::Instance& instance, const std::string& reason);
// Its process was asked for, and it is certain that there is none: asks once more, under a new number, as
// the answer to the first request may still come.
void ask_again(Turn& turn, const model::Service& service, model::Instance& instance);
// Ends it in the orderly way; what follows is `ending`'s. Does nothing when it is on its way already.
void tell_to_go(Turn& turn, model::Service& service, model::Instance& instance, model::Ending ending);
// Ends it now: it does not answer.
void end_hung(Turn& turn, model::Service& service, model::Instance& instance, int signal, const std::string& reason);

// The port it was to bind is somebody else's: it gets another one, and is asked for again.
void on_port_taken(Turn& turn, model::Service& service, model::Instance& instance);
void on_started(Turn& turn, model::Service& service, model::Instance& instance, std::int64_t pid);
void on_ended(Turn& turn, model::Service& service, model::Instance& instance, const std::string& how, bool success);
void on_notified(Turn& turn, model::Service& service, model::Instance& instance, const model::Notified& said);
void on_probed(Turn& turn, model::Service& service, model::Instance& instance, const model::Probed& probed);
void on_queue_empty(Turn& turn, model::Service& service, model::Instance& instance);
void on_time(Turn& turn, model::Service& service, model::Instance& instance);

// After its settings changed: what it waited for may be no condition any more.
void follow_settings(Turn& turn, model::Service& service, model::Instance& instance);

// When on_time has something to do for it.
Millis deadline_of(const model::Service& service, const model::Instance& instance);
// A process is there, or was asked for.
bool has_process(const model::Instance& instance);
// An operator stopped it, and it has ended.
bool is_parked(const model::Instance& instance);
// It takes traffic, and did so for as long as min_ready asks; in a rollover to its revision it is proven (plan/step.h), too.
bool is_available(const model::Service& service, const model::Instance& instance, Millis now);
const model::ServiceSpec& spec_of(const model::Service& service, const model::Instance& instance);
std::string describe_end(int status);

}  // namespace baton::plan
