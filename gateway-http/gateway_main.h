/* `aion gateway`: HTTP /v1 in front of the mesh. */
#ifndef GATEWAY_MAIN_H
#define GATEWAY_MAIN_H

int gw_run(int argc, char **argv);

#endif
