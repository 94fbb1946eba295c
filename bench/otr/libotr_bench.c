// Both ends of OTR conversations over libotr, in one process.
//
//   argument   a file of private keys as libotr writes it, with the accounts "alice" and "bob"
//   stdin      "<row> <count>", one a line; the rows are those of src/otr/suite.ts
//   stdout     the CPU time that it took, user and system, in microseconds

// First: message.h relies on it.
#include <libotr/proto.h>

#include <libotr/instag.h>
#include <libotr/message.h>
#include <libotr/privkey.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PROTOCOL "prpl-jabber"
#define NO_FILE "/dev/null"
#define MESSAGE_BYTES 200
#define LONG_MESSAGE_BYTES 76000
#define FRAGMENTS 1000

typedef struct message {
  struct message *next;
  char *text;
} message;

typedef struct end {
  const char *account;
  OtrlUserState state;
  ConnContext *session;
  struct end *peer;
  message *first, **last;  // what has been said to this end and not been read
  bool compared;
} end;

static end alice, bob;

static void fail(const char *what) {
  fprintf(stderr, "libotr_bench: %s\n", what);
  exit(1);
}

static void deliver(end *to, const char *text) {
  message *added = malloc(sizeof *added);
  *added = (message){.text = strdup(text)};
  *to->last = added;
  to->last = &added->next;
}

// What libotr asks of a program; `data` is the end that it acts for.

static OtrlPolicy on_policy(void *data, ConnContext *context) {
  (void)data, (void)context;
  return OTRL_POLICY_ALLOW_V3;
}

static int on_is_logged_in(void *data, const char *account, const char *protocol, const char *recipient) {
  (void)data, (void)account, (void)protocol, (void)recipient;
  return 1;
}

static void on_inject(void *data, const char *account, const char *protocol, const char *recipient,
                      const char *text) {
  (void)account, (void)protocol, (void)recipient;
  deliver(((end *)data)->peer, text);
}

static void on_create_instag(void *data, const char *account, const char *protocol) {
  otrl_instag_generate(((end *)data)->state, NO_FILE, account, protocol);
}

static void on_gone_secure(void *data, ConnContext *context) {
  ((end *)data)->session = context;
}

static void on_smp(void *data, OtrlSMPEvent event, ConnContext *context, unsigned short percent, char *question);

static void on_nothing(void *data) {
  (void)data;
}

static const OtrlMessageAppOps ops = {
    .policy = on_policy,
    .is_logged_in = on_is_logged_in,
    .inject_message = on_inject,
    .update_context_list = on_nothing,
    .write_fingerprints = on_nothing,
    .gone_secure = on_gone_secure,
    .handle_smp_event = on_smp,
    .create_instag = on_create_instag,
};

static void on_smp(void *data, OtrlSMPEvent event, ConnContext *context, unsigned short percent, char *question) {
  static const unsigned char secret[] = "a secret";
  end *self = data;
  (void)percent, (void)question;
  if (event == OTRL_SMPEVENT_ASK_FOR_SECRET)
    otrl_message_respond_smp(self->state, &ops, self, context, secret, sizeof secret - 1);
  self->compared = event == OTRL_SMPEVENT_SUCCESS;
}

// The text that was said, to be freed by the caller, or NULL.
static char *receive(end *self, const char *text) {
  char *said = NULL;
  OtrlTLV *records = NULL;
  otrl_message_receiving(self->state, &ops, self, self->account, PROTOCOL, self->peer->account, text, &said,
                         &records, NULL, NULL, NULL);
  otrl_tlv_free(records);
  return said;
}

// Lets both read until nobody has anything to say.
static void converse(void) {
  while (alice.first || bob.first) {
    end *reader = alice.first ? &alice : &bob;
    message *read = reader->first;
    reader->first = read->next;
    if (!reader->first) reader->last = &reader->first;
    otrl_message_free(receive(reader, read->text));
    free(read->text);
    free(read);
  }
}

static char *encrypt(end *self, const char *text) {
  char *encrypted = NULL;
  if (otrl_message_sending(self->state, &ops, self, self->account, PROTOCOL, self->peer->account,
                           OTRL_INSTAG_BEST, text, NULL, &encrypted, OTRL_FRAGMENT_SEND_SKIP, NULL, NULL, NULL) ||
      !encrypted)
    fail("nothing was encrypted");
  return encrypted;
}

static void expect(char *said, const char *text) {
  if (!said || strcmp(said, text) != 0) fail("another text was read than was sent");
  otrl_message_free(said);
}

static void say(end *from, const char *text) {
  char *encrypted = encrypt(from, text);
  expect(receive(from->peer, encrypted), text);
  otrl_message_free(encrypted);
}

static const char *text_of(size_t length) {
  static char text[LONG_MESSAGE_BYTES + 1];
  memset(text, 'a', length);
  text[length] = 0;
  return text;
}

static void forget(end *self) {
  otrl_context_forget_all(self->state);
  self->session = NULL;
}

static void exchange_keys(void) {
  forget(&alice);
  forget(&bob);
  deliver(&bob, "?OTRv3?");
  converse();
  if (!alice.session || !bob.session) fail("no session");
}

static uint64_t cpu_time(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return 1000000 * (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (uint64_t)used.ru_utime.tv_usec +
         (uint64_t)used.ru_stime.tv_usec;
}

// The rows: each gives the CPU time of `count` times.

static uint64_t row_ake(int count) {
  uint64_t start = cpu_time();
  while (count-- > 0) exchange_keys();
  return cpu_time() - start;
}

static uint64_t row_message(int count) {
  exchange_keys();
  const char *text = text_of(MESSAGE_BYTES);
  uint64_t start = cpu_time();
  while (count-- > 0) say(&alice, text);
  return cpu_time() - start;
}

static uint64_t row_ping_pong(int count) {
  exchange_keys();
  const char *text = text_of(MESSAGE_BYTES);
  uint64_t start = cpu_time();
  while (count-- > 0) {
    say(&alice, text);
    say(&bob, text);
  }
  return cpu_time() - start;
}

static uint64_t row_smp(int count) {
  static const unsigned char secret[] = "a secret";
  exchange_keys();
  uint64_t start = cpu_time();
  while (count-- > 0) {
    alice.compared = bob.compared = false;
    otrl_message_initiate_smp(alice.state, &ops, &alice, alice.session, secret, sizeof secret - 1);
    converse();
    if (!alice.compared || !bob.compared) fail("the secrets were found to differ");
  }
  return cpu_time() - start;
}

static uint64_t row_key(int count) {
  uint64_t start = cpu_time();
  while (count-- > 0) {
    void *key;
    if (otrl_privkey_generate_start(alice.state, "carol", PROTOCOL, &key) || otrl_privkey_generate_calculate(key))
      fail("no key was made");
    otrl_privkey_generate_cancelled(alice.state, key);
  }
  return cpu_time() - start;
}

// The pieces of one message; `size` is the length of a piece with its frame.
static void cut(const char *encrypted, char *pieces, size_t size) {
  size_t length = strlen(encrypted);
  for (size_t i = 0; i < FRAGMENTS; i++) {
    size_t from = i * length / FRAGMENTS, to = (i + 1) * length / FRAGMENTS;
    snprintf(pieces + i * size, size, "?OTR|%08x|%08x,%05zu,%05d,%.*s,", alice.session->our_instance,
             alice.session->their_instance, i + 1, FRAGMENTS, (int)(to - from), encrypted + from);
  }
}

static uint64_t row_fragments(int count) {
  enum { SIZE = 256 };
  exchange_keys();
  const char *text = text_of(LONG_MESSAGE_BYTES);
  char *pieces = malloc(SIZE * FRAGMENTS);
  uint64_t used = 0;
  while (count-- > 0) {
    char *encrypted = encrypt(&alice, text), *said = NULL;
    cut(encrypted, pieces, SIZE);
    otrl_message_free(encrypted);
    uint64_t start = cpu_time();
    for (size_t i = 0; i < FRAGMENTS; i++) said = receive(&bob, pieces + i * SIZE);
    used += cpu_time() - start;
    expect(said, text);
  }
  free(pieces);
  return used;
}

static const struct {
  const char *name;
  uint64_t (*run)(int count);
} rows[] = {
    {"ake", row_ake}, {"message", row_message}, {"ping-pong", row_ping_pong},
    {"smp", row_smp}, {"key", row_key},         {"fragments", row_fragments},
};

static void open_end(end *self, const char *keys) {
  self->last = &self->first;
  self->state = otrl_userstate_create();
  if (otrl_privkey_read(self->state, keys)) fail("cannot read the private keys");
}

int main(int count, char **arguments) {
  if (count != 2) fail("expected one argument, a file of private keys");
  OTRL_INIT;
  alice = (end){.account = "alice", .peer = &bob};
  bob = (end){.account = "bob", .peer = &alice};
  open_end(&alice, arguments[1]);
  open_end(&bob, arguments[1]);
  char name[32];
  int times;
  while (scanf("%31s %d", name, &times) == 2) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
      if (strcmp(rows[i].name, name) == 0) printf("%llu\n", (unsigned long long)rows[i].run(times));
    fflush(stdout);
  }
  return 0;
}
