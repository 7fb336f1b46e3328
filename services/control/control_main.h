/* Control's entry, called by the executable. */
#ifndef CONTROL_MAIN_H
#define CONTROL_MAIN_H

int control_run(int argc, char **argv);

#endif
