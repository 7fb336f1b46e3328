#include "mesh/outlier.h"

bool mesh_outlier_ejected(const struct mesh_outlier *outlier, int64_t now_us)
{
    return now_us < outlier->until_us;
}

bool mesh_outlier_record(struct mesh_outlier *outlier, const struct mesh_outlier_conf *conf,
                         bool failed, bool may_eject, int64_t now_us)
{
    if (!failed) {
        outlier->consecutive = 0;
        if (!mesh_outlier_ejected(outlier, now_us))
            outlier->ejections = 0;
        return false;
    }
    if (mesh_outlier_ejected(outlier, now_us) || ++outlier->consecutive < conf->failures ||
        !may_eject)
        return false;
    int64_t time = conf->eject_us;
    for (unsigned i = 0; i < outlier->ejections && time < conf->eject_us * 10; i++)
        time *= 2;
    outlier->until_us = now_us + (time < conf->eject_us * 10 ? time : conf->eject_us * 10);
    outlier->ejections++;
    outlier->consecutive = 0;
    return true;
}
