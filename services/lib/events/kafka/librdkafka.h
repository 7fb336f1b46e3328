/* librdkafka's functions as the driver calls them: loaded when Kafka is spoken to first
 * (base/library.h says why). A call of rd_kafka_poll() is one of librdkafka.rd_kafka_poll(). */
#ifndef EVENTS_KAFKA_LIBRDKAFKA_H
#define EVENTS_KAFKA_LIBRDKAFKA_H

#include "base/compiler.h"
#include "base/err.h"

#include <librdkafka/rdkafka.h>

/* clang-format off */
#define LIBRDKAFKA(X) \
    X(rd_kafka_AdminOptions_destroy) X(rd_kafka_AdminOptions_new) \
    X(rd_kafka_AdminOptions_set_operation_timeout) \
    X(rd_kafka_AdminOptions_set_request_timeout) X(rd_kafka_AlterConfigs) \
    X(rd_kafka_AlterConfigs_result_resources) X(rd_kafka_ConfigEntry_name) \
    X(rd_kafka_ConfigEntry_source) X(rd_kafka_ConfigEntry_value) \
    X(rd_kafka_ConfigResource_configs) X(rd_kafka_ConfigResource_destroy) \
    X(rd_kafka_ConfigResource_error) X(rd_kafka_ConfigResource_error_string) \
    X(rd_kafka_ConfigResource_new) X(rd_kafka_ConfigResource_set_config) \
    X(rd_kafka_CreatePartitions) X(rd_kafka_CreatePartitions_result_topics) \
    X(rd_kafka_CreateTopics) X(rd_kafka_CreateTopics_result_topics) \
    X(rd_kafka_DeleteTopic_destroy) X(rd_kafka_DeleteTopic_new) X(rd_kafka_DeleteTopics) \
    X(rd_kafka_DeleteTopics_result_topics) X(rd_kafka_DescribeConfigs) \
    X(rd_kafka_DescribeConfigs_result_resources) X(rd_kafka_NewPartitions_destroy) \
    X(rd_kafka_NewPartitions_new) X(rd_kafka_NewTopic_destroy) X(rd_kafka_NewTopic_new) \
    X(rd_kafka_NewTopic_set_config) X(rd_kafka_assign) X(rd_kafka_assignment) \
    X(rd_kafka_clusterid) X(rd_kafka_conf_destroy) X(rd_kafka_conf_new) X(rd_kafka_conf_set) \
    X(rd_kafka_conf_set_dr_msg_cb) X(rd_kafka_conf_set_error_cb) X(rd_kafka_conf_set_log_cb) \
    X(rd_kafka_conf_set_opaque) X(rd_kafka_consumer_close) X(rd_kafka_consumer_poll) \
    X(rd_kafka_controllerid) X(rd_kafka_destroy) X(rd_kafka_err2name) X(rd_kafka_err2str) \
    X(rd_kafka_error_code) X(rd_kafka_error_destroy) X(rd_kafka_event_AlterConfigs_result) \
    X(rd_kafka_event_CreatePartitions_result) X(rd_kafka_event_CreateTopics_result) \
    X(rd_kafka_event_DeleteTopics_result) X(rd_kafka_event_DescribeConfigs_result) \
    X(rd_kafka_event_destroy) X(rd_kafka_event_error) X(rd_kafka_event_error_string) \
    X(rd_kafka_header_add) X(rd_kafka_header_get_last) X(rd_kafka_headers_destroy) \
    X(rd_kafka_headers_new) X(rd_kafka_mem_free) X(rd_kafka_message_destroy) \
    X(rd_kafka_message_errstr) X(rd_kafka_message_headers) X(rd_kafka_message_timestamp) \
    X(rd_kafka_metadata) X(rd_kafka_metadata_destroy) X(rd_kafka_new) X(rd_kafka_offset_store) \
    X(rd_kafka_outq_len) X(rd_kafka_poll) X(rd_kafka_poll_set_consumer) X(rd_kafka_produceva) \
    X(rd_kafka_purge) X(rd_kafka_queue_destroy) X(rd_kafka_queue_new) X(rd_kafka_queue_poll) \
    X(rd_kafka_subscribe) X(rd_kafka_topic_destroy) X(rd_kafka_topic_new) \
    X(rd_kafka_topic_partition_list_add) X(rd_kafka_topic_partition_list_destroy) \
    X(rd_kafka_topic_partition_list_new) X(rd_kafka_topic_result_error) \
    X(rd_kafka_topic_result_error_string) X(rd_kafka_version) X(rd_kafka_version_str)

/* clang-format on */
#define LIBRDKAFKA_SLOT(name) __typeof__(name) *name;
struct librdkafka {
    LIBRDKAFKA(LIBRDKAFKA_SLOT)
};
extern struct librdkafka librdkafka;

/* Before the first call of any; loads once. UNAVAILABLE: it is not installed. Any thread. */
bool librdkafka_load(struct aion_err *err) AION_MUST_CHECK;

#ifndef LIBRDKAFKA_PLAIN
#define rd_kafka_AdminOptions_destroy librdkafka.rd_kafka_AdminOptions_destroy
#define rd_kafka_AdminOptions_new     librdkafka.rd_kafka_AdminOptions_new
#define rd_kafka_AdminOptions_set_operation_timeout \
    librdkafka.rd_kafka_AdminOptions_set_operation_timeout
#define rd_kafka_AdminOptions_set_request_timeout \
    librdkafka.rd_kafka_AdminOptions_set_request_timeout
#define rd_kafka_AlterConfigs                  librdkafka.rd_kafka_AlterConfigs
#define rd_kafka_AlterConfigs_result_resources librdkafka.rd_kafka_AlterConfigs_result_resources
#define rd_kafka_ConfigEntry_name              librdkafka.rd_kafka_ConfigEntry_name
#define rd_kafka_ConfigEntry_source            librdkafka.rd_kafka_ConfigEntry_source
#define rd_kafka_ConfigEntry_value             librdkafka.rd_kafka_ConfigEntry_value
#define rd_kafka_ConfigResource_configs        librdkafka.rd_kafka_ConfigResource_configs
#define rd_kafka_ConfigResource_destroy        librdkafka.rd_kafka_ConfigResource_destroy
#define rd_kafka_ConfigResource_error          librdkafka.rd_kafka_ConfigResource_error
#define rd_kafka_ConfigResource_error_string   librdkafka.rd_kafka_ConfigResource_error_string
#define rd_kafka_ConfigResource_new            librdkafka.rd_kafka_ConfigResource_new
#define rd_kafka_ConfigResource_set_config     librdkafka.rd_kafka_ConfigResource_set_config
#define rd_kafka_CreatePartitions              librdkafka.rd_kafka_CreatePartitions
#define rd_kafka_CreatePartitions_result_topics \
    librdkafka.rd_kafka_CreatePartitions_result_topics
#define rd_kafka_CreateTopics               librdkafka.rd_kafka_CreateTopics
#define rd_kafka_CreateTopics_result_topics librdkafka.rd_kafka_CreateTopics_result_topics
#define rd_kafka_DeleteTopic_destroy        librdkafka.rd_kafka_DeleteTopic_destroy
#define rd_kafka_DeleteTopic_new            librdkafka.rd_kafka_DeleteTopic_new
#define rd_kafka_DeleteTopics               librdkafka.rd_kafka_DeleteTopics
#define rd_kafka_DeleteTopics_result_topics librdkafka.rd_kafka_DeleteTopics_result_topics
#define rd_kafka_DescribeConfigs            librdkafka.rd_kafka_DescribeConfigs
#define rd_kafka_DescribeConfigs_result_resources \
    librdkafka.rd_kafka_DescribeConfigs_result_resources
#define rd_kafka_NewPartitions_destroy         librdkafka.rd_kafka_NewPartitions_destroy
#define rd_kafka_NewPartitions_new             librdkafka.rd_kafka_NewPartitions_new
#define rd_kafka_NewTopic_destroy              librdkafka.rd_kafka_NewTopic_destroy
#define rd_kafka_NewTopic_new                  librdkafka.rd_kafka_NewTopic_new
#define rd_kafka_NewTopic_set_config           librdkafka.rd_kafka_NewTopic_set_config
#define rd_kafka_assign                        librdkafka.rd_kafka_assign
#define rd_kafka_assignment                    librdkafka.rd_kafka_assignment
#define rd_kafka_clusterid                     librdkafka.rd_kafka_clusterid
#define rd_kafka_conf_destroy                  librdkafka.rd_kafka_conf_destroy
#define rd_kafka_conf_new                      librdkafka.rd_kafka_conf_new
#define rd_kafka_conf_set                      librdkafka.rd_kafka_conf_set
#define rd_kafka_conf_set_dr_msg_cb            librdkafka.rd_kafka_conf_set_dr_msg_cb
#define rd_kafka_conf_set_error_cb             librdkafka.rd_kafka_conf_set_error_cb
#define rd_kafka_conf_set_log_cb               librdkafka.rd_kafka_conf_set_log_cb
#define rd_kafka_conf_set_opaque               librdkafka.rd_kafka_conf_set_opaque
#define rd_kafka_consumer_close                librdkafka.rd_kafka_consumer_close
#define rd_kafka_consumer_poll                 librdkafka.rd_kafka_consumer_poll
#define rd_kafka_controllerid                  librdkafka.rd_kafka_controllerid
#define rd_kafka_destroy                       librdkafka.rd_kafka_destroy
#define rd_kafka_err2name                      librdkafka.rd_kafka_err2name
#define rd_kafka_err2str                       librdkafka.rd_kafka_err2str
#define rd_kafka_error_code                    librdkafka.rd_kafka_error_code
#define rd_kafka_error_destroy                 librdkafka.rd_kafka_error_destroy
#define rd_kafka_event_AlterConfigs_result     librdkafka.rd_kafka_event_AlterConfigs_result
#define rd_kafka_event_CreatePartitions_result librdkafka.rd_kafka_event_CreatePartitions_result
#define rd_kafka_event_CreateTopics_result     librdkafka.rd_kafka_event_CreateTopics_result
#define rd_kafka_event_DeleteTopics_result     librdkafka.rd_kafka_event_DeleteTopics_result
#define rd_kafka_event_DescribeConfigs_result  librdkafka.rd_kafka_event_DescribeConfigs_result
#define rd_kafka_event_destroy                 librdkafka.rd_kafka_event_destroy
#define rd_kafka_event_error                   librdkafka.rd_kafka_event_error
#define rd_kafka_event_error_string            librdkafka.rd_kafka_event_error_string
#define rd_kafka_header_add                    librdkafka.rd_kafka_header_add
#define rd_kafka_header_get_last               librdkafka.rd_kafka_header_get_last
#define rd_kafka_headers_destroy               librdkafka.rd_kafka_headers_destroy
#define rd_kafka_headers_new                   librdkafka.rd_kafka_headers_new
#define rd_kafka_mem_free                      librdkafka.rd_kafka_mem_free
#define rd_kafka_message_destroy               librdkafka.rd_kafka_message_destroy
#define rd_kafka_message_errstr                librdkafka.rd_kafka_message_errstr
#define rd_kafka_message_headers               librdkafka.rd_kafka_message_headers
#define rd_kafka_message_timestamp             librdkafka.rd_kafka_message_timestamp
#define rd_kafka_metadata                      librdkafka.rd_kafka_metadata
#define rd_kafka_metadata_destroy              librdkafka.rd_kafka_metadata_destroy
#define rd_kafka_new                           librdkafka.rd_kafka_new
#define rd_kafka_offset_store                  librdkafka.rd_kafka_offset_store
#define rd_kafka_outq_len                      librdkafka.rd_kafka_outq_len
#define rd_kafka_poll                          librdkafka.rd_kafka_poll
#define rd_kafka_poll_set_consumer             librdkafka.rd_kafka_poll_set_consumer
#define rd_kafka_produceva                     librdkafka.rd_kafka_produceva
#define rd_kafka_purge                         librdkafka.rd_kafka_purge
#define rd_kafka_queue_destroy                 librdkafka.rd_kafka_queue_destroy
#define rd_kafka_queue_new                     librdkafka.rd_kafka_queue_new
#define rd_kafka_queue_poll                    librdkafka.rd_kafka_queue_poll
#define rd_kafka_subscribe                     librdkafka.rd_kafka_subscribe
#define rd_kafka_topic_destroy                 librdkafka.rd_kafka_topic_destroy
#define rd_kafka_topic_new                     librdkafka.rd_kafka_topic_new
#define rd_kafka_topic_partition_list_add      librdkafka.rd_kafka_topic_partition_list_add
#define rd_kafka_topic_partition_list_destroy  librdkafka.rd_kafka_topic_partition_list_destroy
#define rd_kafka_topic_partition_list_new      librdkafka.rd_kafka_topic_partition_list_new
#define rd_kafka_topic_result_error            librdkafka.rd_kafka_topic_result_error
#define rd_kafka_topic_result_error_string     librdkafka.rd_kafka_topic_result_error_string
#define rd_kafka_version                       librdkafka.rd_kafka_version
#define rd_kafka_version_str                   librdkafka.rd_kafka_version_str
#endif

#endif
