/* Retention's entry, called by the executable. */
#ifndef RETENTION_MAIN_H
#define RETENTION_MAIN_H

int retention_run(int argc, char **argv);

#endif
