// SPDX-License-Identifier: MIT
// json_writer.h — writes JSON (RFC 8259) into a buffer, value after value.
//
//   struct json_writer w = json_writer(out);
//
//   json_open_object(&w, NULL);
//   json_put_str(&w, "name", hook->name);
//   json_open_array(&w, "events");
//   json_put_text(&w, NULL, "ping");
//   json_close(&w); // the array
//   json_close(&w); // the object: {"name":"…","events":["ping"]}
//
// The writer sets commas, colons and quotes, and puts no white space. Every value has a
// `key`: the member's name within an object, NULL within an array and for the root. Keys
// are the program's own words and are written as they are; a name that comes from outside
// goes through json_put_key(), and the value after it has no `key`.
//
// What cannot become JSON is a fault of the program and aborts: a member without a name,
// a name outside of an object, a second root, a close too many, more than
// JSON_WRITER_DEPTH_MAX levels. A full buffer is no fault: its `overflow` says so.
//
// A writer allocates nothing and needs no end. It may be kept between turns, as long as
// nobody else appends to its buffer meanwhile.

#ifndef COMMON_ENCODING_JSON_WRITER_H
#define COMMON_ENCODING_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"

#define JSON_WRITER_DEPTH_MAX 32

struct json_writer {
    struct buf *out;  // borrowed; another may take its place between two values
    uint32_t objects; // bit n: the container at depth n is an object
    uint8_t depth;    // open containers
    bool has_value;   // a value is there, so that a comma goes before the next
    bool has_key;     // json_put_key() wrote the name of the next value
    bool is_quoted;   // between json_open_text() and json_close_text()
};

// A writer of one value, which is appended to `out`.
struct json_writer json_writer(struct buf *out);

void json_open_object(struct json_writer *w, const char *key);
void json_open_array(struct json_writer *w, const char *key);
void json_close(struct json_writer *w); // the innermost object or array

// The name of the next member: any bytes, escaped like a string.
void json_put_key(struct json_writer *w, struct str name);

// Strings are escaped as buf_put_json() does it.
void json_put_str(struct json_writer *w, const char *key, struct str text);
void json_put_given(struct json_writer *w, const char *key,
                    struct str text); // leaves out an empty one
void json_put_text(struct json_writer *w, const char *key, const char *text);
void json_put_i64(struct json_writer *w, const char *key, int64_t number);
void json_put_u64(struct json_writer *w, const char *key, uint64_t number);
void json_put_bool(struct json_writer *w, const char *key, bool is_true);
void json_put_null(struct json_writer *w, const char *key);

// With this number of decimals. Infinity and NaN, which JSON has not, become null.
void json_put_double(struct json_writer *w, const char *key, double number,
                     int n_decimals);

// `json` is one value, already JSON; it is not checked.
void json_put_raw(struct json_writer *w, const char *key, struct str json);

// Puts what an object or array holds, already JSON, into the open object or array.
void json_put_contents(struct json_writer *w, struct str container);

// The caller appends one value, already JSON, to the buffer that is returned.
struct buf *json_open_raw(struct json_writer *w, const char *key);

// A string in parts: the caller appends text that needs no escape (a time, digits, an id)
// to the buffer that is returned, then calls json_close_text().
struct buf *json_open_text(struct json_writer *w, const char *key);
void json_close_text(struct json_writer *w);

#endif
