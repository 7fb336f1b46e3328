/* The router's entry, called by the executable. */
#ifndef ROUTER_MAIN_H
#define ROUTER_MAIN_H

int router_run(int argc, char **argv);

#endif
