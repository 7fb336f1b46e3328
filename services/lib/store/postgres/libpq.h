/* libpq's functions as the driver calls them: loaded when a PostgreSQL store is opened first
 * (base/library.h says why). In C a call of PQexec() is one of libpq.PQexec(). */
#ifndef STORE_POSTGRES_LIBPQ_H
#define STORE_POSTGRES_LIBPQ_H

#include "base/compiler.h"
#include "base/err.h"

#include <libpq-fe.h>

/* clang-format off */
#define LIBPQ(X) \
    X(PQclear) X(PQcmdTuples) X(PQconnectPoll) X(PQconnectStartParams) X(PQconninfoFree) \
    X(PQconninfoParse) X(PQconsumeInput) X(PQenterPipelineMode) X(PQerrorMessage) X(PQfinish) \
    X(PQflush) X(PQgetResult) X(PQgetisnull) X(PQgetlength) X(PQgetvalue) X(PQisBusy) \
    X(PQntuples) X(PQpipelineSync) X(PQresultErrorField) X(PQresultErrorMessage) \
    X(PQresultStatus) X(PQsendPrepare) X(PQsendQueryParams) X(PQsendQueryPrepared) \
    X(PQsetErrorVerbosity) X(PQsetNoticeReceiver) X(PQsetnonblocking) X(PQsocket) X(PQstatus)

/* clang-format on */
#define LIBPQ_SLOT(name) __typeof__(name) *name;
struct libpq {
    LIBPQ(LIBPQ_SLOT)
};
extern struct libpq libpq;

/* Before the first call of any; loads once. UNAVAILABLE: it is not installed. Any thread. */
bool libpq_load(struct aion_err *err) AION_MUST_CHECK;

#ifndef LIBPQ_PLAIN
#define PQclear              libpq.PQclear
#define PQcmdTuples          libpq.PQcmdTuples
#define PQconnectPoll        libpq.PQconnectPoll
#define PQconnectStartParams libpq.PQconnectStartParams
#define PQconninfoFree       libpq.PQconninfoFree
#define PQconninfoParse      libpq.PQconninfoParse
#define PQconsumeInput       libpq.PQconsumeInput
#define PQenterPipelineMode  libpq.PQenterPipelineMode
#define PQerrorMessage       libpq.PQerrorMessage
#define PQfinish             libpq.PQfinish
#define PQflush              libpq.PQflush
#define PQgetResult          libpq.PQgetResult
#define PQgetisnull          libpq.PQgetisnull
#define PQgetlength          libpq.PQgetlength
#define PQgetvalue           libpq.PQgetvalue
#define PQisBusy             libpq.PQisBusy
#define PQntuples            libpq.PQntuples
#define PQpipelineSync       libpq.PQpipelineSync
#define PQresultErrorField   libpq.PQresultErrorField
#define PQresultErrorMessage libpq.PQresultErrorMessage
#define PQresultStatus       libpq.PQresultStatus
#define PQsendPrepare        libpq.PQsendPrepare
#define PQsendQueryParams    libpq.PQsendQueryParams
#define PQsendQueryPrepared  libpq.PQsendQueryPrepared
#define PQsetErrorVerbosity  libpq.PQsetErrorVerbosity
#define PQsetNoticeReceiver  libpq.PQsetNoticeReceiver
#define PQsetnonblocking     libpq.PQsetnonblocking
#define PQsocket             libpq.PQsocket
#define PQstatus             libpq.PQstatus
#endif

#endif
