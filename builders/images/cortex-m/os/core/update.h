/* Updates of the firmware and of the two model slots: what Objects 5 and 9 act on. */
#ifndef CORE_UPDATE_H
#define CORE_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#define UPDATE_ETAG_BYTES 8u /* RFC 7252, section 5.10.6 */
#define UPDATE_URI_BYTES 255u

enum update_target { UPDATE_FIRMWARE, UPDATE_MODEL_A, UPDATE_MODEL_B, UPDATE_TARGETS };

enum update_state {
    UPDATE_IDLE,
    UPDATE_RECEIVING,  /* from update_begin until the verification that update_finish starts is over */
    UPDATE_RECEIVED,   /* complete, signature and ABI verified */
    UPDATE_INSTALLING, /* firmware: pending until the verdict after the reset; model: golden vectors being checked */
    UPDATE_INSTALLED,  /* a model that can be activated; never a firmware */
};

/* All but update_poll return an os_status. OS_STATE is a refusal by the state machine, OS_TOO_LARGE by the slot. */

/* Start to receive `size` bytes (0 when not known): the state is Receiving. Forgets an earlier package of this target,
   also one that is being received, but not the URI; erases lazily. */
int update_begin(enum update_target target, uint32_t size, const uint8_t *etag, uint32_t etag_length);

/* How many bytes of the package with this ETag are in flash already, also after a reset; OS_NOT_FOUND when none. */
int update_resume_offset(enum update_target target, const uint8_t *etag, uint32_t etag_length, uint32_t *offset);

/* The next bytes; `offset` is the number of bytes written so far. */
int update_write(enum update_target target, uint32_t offset, const uint8_t *data, uint32_t length);

/* All bytes are there: verification starts, and goes on in update_poll. */
int update_finish(enum update_target target);

/* One bounded slice of background work; called from the loop. True when there is more to do at once. */
bool update_poll(void);

/* The largest package that is taken. */
uint32_t update_limit(enum update_target target);

enum update_state update_state_of(enum update_target target);

/* All bytes have arrived and are being verified: Object 9 shows it as Downloaded. */
bool update_verifying(enum update_target target);

/* The result number as Object 5 or Object 9 defines it for the target. */
int update_result_of(enum update_target target);

/* Drop what was received; the state is Idle (or Installed, when the slot still holds what it held) and the result `result`. */
int update_abort(enum update_target target, int result);

/* Object 5 Update: pending, and a reset. Object 9 Install: the golden check. */
int update_install(enum update_target target);

int update_activate(enum update_target target);
int update_deactivate(enum update_target target);
int update_uninstall(enum update_target target);

/* Whether this slot's model is the one that runs; it can be neither written nor removed. */
bool update_active(enum update_target target);

/* The URI that is being pulled: kept over a reset, so that the download goes on. Setting one makes the state Receiving;
   an empty one only forgets it. `uri` does not end with a zero, what update_uri returns does. */
int update_set_uri(enum update_target target, const char *uri, uint32_t length);
const char *update_uri(enum update_target target);

/* The slot's package name and version as Object 9 shows them; "" when it holds none. */
const char *update_package_name(enum update_target target);
const char *update_package_version(enum update_target target);

/* The last update's report: JSON with the keys of edge/update_report.py; "" when there was none. */
const char *update_report_json(void);
uint32_t update_report_length(void);

#endif
