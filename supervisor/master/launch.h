// From a command line to a keeper, and what batond does without one: -t, -T, -s.
#pragma once

#include <string>
#include <vector>

#include "master/options.h"

namespace baton::master {

// Becomes the keeper, in this process or (with -d) in a child that is waited for until it is ready.
// `program` is argv[0]. Returns only on failure, or in the waiting parent.
int launch(const Options& options, const std::string& program);
// The keeper's program, with its state in the descriptor that the environment names.
int run_keeper();
// A new keeper image proves itself: descriptor 3 holds the state of the running one.
int run_check();
int test_configuration(const Options& options);
int send_signal(const Options& options);

}  // namespace baton::master
