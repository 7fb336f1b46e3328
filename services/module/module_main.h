/* The module host's entry, called by the executable. */
#ifndef MODULE_MAIN_H
#define MODULE_MAIN_H

int module_run(int argc, char **argv);

#endif
