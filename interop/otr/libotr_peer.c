/*
 * A peer that is libotr: one conversation, without a network.
 *
 * A command a line on stdin, in words separated by one space; what it led to on
 * stdout, ended by a line with a dot. Everything that may have a space in it is
 * in hexadecimal. interop/src/otr/peer.ts says what the commands and answers are.
 *
 *     cc libotr_peer.c $(pkg-config --cflags --libs libotr) -lgcrypt
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* First: message.h relies on it. */
#include <libotr/proto.h>

#include <libotr/instag.h>
#include <libotr/message.h>
#include <libotr/privkey.h>

#define ACCOUNT "theirs@localhost"
#define PROTOCOL "prpl-jabber"
#define CONTACT "ours@localhost"

/* In the working directory, which belongs to this process. */
#define KEY_FILE "otr.private_key"
#define TAG_FILE "otr.instance_tags"

#define SYMMETRIC_KEY_BYTES 32

static OtrlUserState user;
static OtrlPolicy policy = OTRL_POLICY_ALLOW_V2 | OTRL_POLICY_ALLOW_V3;
/* Characters that a message of the network may have; 0 for no limit. */
static int max_message_size = 0;
/* Seconds by which this process is ahead of the time. */
static time_t ahead = 0;
/* Whether what is said next in a comparison is changed. */
static bool lies = false;

/* Takes the place of the C library's, so that libotr's minutes need not be waited for. */
time_t time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result != NULL)
        *result = now.tv_sec + ahead;
    return now.tv_sec + ahead;
}

/* ---- Bytes in, bytes out ------------------------------------------------- */

/* With a NUL after them: libotr's texts are C strings. */
struct bytes {
    unsigned char *data;
    size_t length;
};

static void die(const char *reason)
{
    fprintf(stderr, "libotr_peer: %s\n", reason);
    exit(EXIT_FAILURE);
}

static struct bytes decode_hex(const char *hex)
{
    struct bytes bytes = { .length = strlen(hex) / 2 };
    bytes.data = calloc(bytes.length + 1, 1);
    if (bytes.data == NULL)
        die("out of memory");
    for (size_t i = 0; i < bytes.length; i++)
        if (sscanf(hex + 2 * i, "%2hhx", &bytes.data[i]) != 1)
            die("not hexadecimal");
    return bytes;
}

static void print_hex(const unsigned char *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("%02x", data[i]);
}

static void answer(char kind, const char *text)
{
    printf("%c ", kind);
    print_hex((const unsigned char *)text, strlen(text));
    putchar('\n');
}

/* ---- What libotr asks of its host, and tells it -------------------------- */

static const OtrlMessageAppOps host;

static OtrlPolicy on_policy(void *data, ConnContext *context)
{
    return policy;
}

static void on_create_privkey(void *data, const char *account, const char *protocol)
{
    otrl_privkey_generate(user, KEY_FILE, account, protocol);
}

static void on_create_instag(void *data, const char *account, const char *protocol)
{
    otrl_instag_generate(user, TAG_FILE, account, protocol);
}

static int on_is_logged_in(void *data, const char *account, const char *protocol,
                           const char *recipient)
{
    return 1;
}

static void on_inject(void *data, const char *account, const char *protocol,
                      const char *recipient, const char *message)
{
    /* What must not be sent is made empty. */
    if (*message != '\0')
        answer('I', message);
}

static void on_update_context_list(void *data)
{
}

static void on_new_fingerprint(void *data, OtrlUserState state, const char *account,
                               const char *protocol, const char *contact,
                               unsigned char fingerprint[20])
{
    printf("E new_fingerprint ");
    print_hex(fingerprint, 20);
    putchar('\n');
}

static void on_write_fingerprints(void *data)
{
}

static void print_session(const char *event, const ConnContext *context)
{
    printf("E %s v%u ssid=", event, context->protocol_version);
    print_hex(context->sessionid, context->sessionid_len);
    printf(" bold=%s\n",
           context->sessionid_half == OTRL_SESSIONID_FIRST_HALF_BOLD ? "first" : "second");
}

static void on_gone_secure(void *data, ConnContext *context)
{
    print_session("gone_secure", context);
}

static void on_gone_insecure(void *data, ConnContext *context)
{
    puts("E gone_insecure");
}

static void on_still_secure(void *data, ConnContext *context, int is_reply)
{
    print_session("still_secure", context);
}

static int on_max_message_size(void *data, ConnContext *context)
{
    return max_message_size;
}

static void on_symmetric_key(void *data, ConnContext *context, unsigned int use,
                             const unsigned char *about, size_t about_length,
                             const unsigned char *key)
{
    printf("E symkey %u ", use);
    print_hex(about, about_length);
    putchar(' ');
    print_hex(key, SYMMETRIC_KEY_BYTES);
    putchar('\n');
}

static const char *on_error_message(void *data, ConnContext *context, OtrlErrorCode code)
{
    char text[32];
    snprintf(text, sizeof text, "code %d", code);
    return strdup(text);
}

static void on_error_message_free(void *data, const char *message)
{
    free((char *)message);
}

/* libotr leaves it to its host to end a comparison that went wrong. */
static void on_smp_event(void *data, OtrlSMPEvent event, ConnContext *context,
                         unsigned short percent, char *question)
{
    static const char *const names[] = {
        [OTRL_SMPEVENT_NONE] = "NONE",
        [OTRL_SMPEVENT_ERROR] = "ERROR",
        [OTRL_SMPEVENT_ABORT] = "ABORT",
        [OTRL_SMPEVENT_CHEATED] = "CHEATED",
        [OTRL_SMPEVENT_ASK_FOR_ANSWER] = "ASK_FOR_ANSWER",
        [OTRL_SMPEVENT_ASK_FOR_SECRET] = "ASK_FOR_SECRET",
        [OTRL_SMPEVENT_IN_PROGRESS] = "IN_PROGRESS",
        [OTRL_SMPEVENT_SUCCESS] = "SUCCESS",
        [OTRL_SMPEVENT_FAILURE] = "FAILURE",
    };
    printf("E smp %s", names[event]);
    if (question != NULL) {
        putchar(' ');
        print_hex((const unsigned char *)question, strlen(question));
    }
    putchar('\n');
    if (event == OTRL_SMPEVENT_ERROR || event == OTRL_SMPEVENT_CHEATED)
        otrl_message_abort_smp(user, &host, NULL, context);
}

static void on_message_event(void *data, OtrlMessageEvent event, ConnContext *context,
                             const char *message, gcry_error_t error)
{
    static const char *const names[] = {
        [OTRL_MSGEVENT_NONE] = "NONE",
        [OTRL_MSGEVENT_ENCRYPTION_REQUIRED] = "ENCRYPTION_REQUIRED",
        [OTRL_MSGEVENT_ENCRYPTION_ERROR] = "ENCRYPTION_ERROR",
        [OTRL_MSGEVENT_CONNECTION_ENDED] = "CONNECTION_ENDED",
        [OTRL_MSGEVENT_SETUP_ERROR] = "SETUP_ERROR",
        [OTRL_MSGEVENT_MSG_REFLECTED] = "MSG_REFLECTED",
        [OTRL_MSGEVENT_MSG_RESENT] = "MSG_RESENT",
        [OTRL_MSGEVENT_RCVDMSG_NOT_IN_PRIVATE] = "RCVDMSG_NOT_IN_PRIVATE",
        [OTRL_MSGEVENT_RCVDMSG_UNREADABLE] = "RCVDMSG_UNREADABLE",
        [OTRL_MSGEVENT_RCVDMSG_MALFORMED] = "RCVDMSG_MALFORMED",
        [OTRL_MSGEVENT_LOG_HEARTBEAT_RCVD] = "LOG_HEARTBEAT_RCVD",
        [OTRL_MSGEVENT_LOG_HEARTBEAT_SENT] = "LOG_HEARTBEAT_SENT",
        [OTRL_MSGEVENT_RCVDMSG_GENERAL_ERR] = "RCVDMSG_GENERAL_ERR",
        [OTRL_MSGEVENT_RCVDMSG_UNENCRYPTED] = "RCVDMSG_UNENCRYPTED",
        [OTRL_MSGEVENT_RCVDMSG_UNRECOGNIZED] = "RCVDMSG_UNRECOGNIZED",
        [OTRL_MSGEVENT_RCVDMSG_FOR_OTHER_INSTANCE] = "RCVDMSG_FOR_OTHER_INSTANCE",
    };
    printf("E msg %s\n", names[event]);
}

static const OtrlMessageAppOps host = {
    .policy = on_policy,
    .create_privkey = on_create_privkey,
    .is_logged_in = on_is_logged_in,
    .inject_message = on_inject,
    .update_context_list = on_update_context_list,
    .new_fingerprint = on_new_fingerprint,
    .write_fingerprints = on_write_fingerprints,
    .gone_secure = on_gone_secure,
    .gone_insecure = on_gone_insecure,
    .still_secure = on_still_secure,
    .max_message_size = on_max_message_size,
    .received_symkey = on_symmetric_key,
    .otr_error_message = on_error_message,
    .otr_error_message_free = on_error_message_free,
    .handle_smp_event = on_smp_event,
    .handle_msg_event = on_message_event,
    .create_instag = on_create_instag,
};

/* ---- A comparison that can lie ------------------------------------------- */

typedef gcry_error_t step(OtrlSMState *state, const unsigned char *input, int length,
                          unsigned char **output, int *output_length);

/* The last bit of each message belongs to a proof. */
static gcry_error_t lie(const char *name, OtrlSMState *state, const unsigned char *input,
                        int length, unsigned char **output, int *output_length)
{
    step *own = (step *)dlsym(RTLD_NEXT, name);
    if (own == NULL)
        die("libotr has another SMP");
    gcry_error_t error = own(state, input, length, output, output_length);
    if (lies && !error && *output_length > 0) {
        (*output)[*output_length - 1] ^= 1;
        lies = false;
    }
    return error;
}

/* These take the places of libotr's, which it calls by their names: messages 1 to 4. */

gcry_error_t otrl_sm_step1(OtrlSMAliceState *state, const unsigned char *secret, int length,
                           unsigned char **output, int *output_length)
{
    return lie(__func__, state, secret, length, output, output_length);
}

gcry_error_t otrl_sm_step2b(OtrlSMBobState *state, const unsigned char *secret, int length,
                            unsigned char **output, int *output_length)
{
    return lie(__func__, state, secret, length, output, output_length);
}

gcry_error_t otrl_sm_step3(OtrlSMAliceState *state, const unsigned char *input, const int length,
                           unsigned char **output, int *output_length)
{
    return lie(__func__, state, input, length, output, output_length);
}

gcry_error_t otrl_sm_step4(OtrlSMBobState *state, const unsigned char *input, const int length,
                           unsigned char **output, int *output_length)
{
    return lie(__func__, state, input, length, output, output_length);
}

/* ---- Commands ------------------------------------------------------------ */

/* The session that a message would go to. */
static ConnContext *session(void)
{
    ConnContext *context = otrl_context_find(user, CONTACT, ACCOUNT, PROTOCOL, OTRL_INSTAG_BEST,
                                             false, NULL, NULL, NULL);
    if (context == NULL)
        die("no conversation yet");
    return context;
}

static void forget(const char *const words[])
{
    otrl_context_forget_all(user);
    lies = false;
    max_message_size = 0;
}

static void set_versions(const char *const words[])
{
    policy = 0;
    if (strchr(words[0], '2') != NULL)
        policy |= OTRL_POLICY_ALLOW_V2;
    if (strchr(words[0], '3') != NULL)
        policy |= OTRL_POLICY_ALLOW_V3;
}

static void set_max_message_size(const char *const words[])
{
    max_message_size = atoi(words[0]);
}

static void wait(const char *const words[])
{
    ahead += atoi(words[0]);
}

static void receive(const char *const words[])
{
    struct bytes message = decode_hex(words[0]);
    char *text = NULL;
    OtrlTLV *records = NULL;
    int is_internal = otrl_message_receiving(user, &host, NULL, ACCOUNT, PROTOCOL, CONTACT,
                                             (char *)message.data, &text, &records, NULL, NULL,
                                             NULL);
    if (otrl_tlv_find(records, OTRL_TLV_DISCONNECTED) != NULL)
        puts("E disconnected");
    if (!is_internal && text != NULL)
        answer('T', text);
    else if (!is_internal)
        answer('C', (char *)message.data);
    otrl_tlv_free(records);
    otrl_message_free(text);
    free(message.data);
}

static void send_text(const char *const words[])
{
    struct bytes text = decode_hex(words[0]);
    char *message = NULL;
    gcry_error_t error = otrl_message_sending(user, &host, NULL, ACCOUNT, PROTOCOL, CONTACT,
                                              OTRL_INSTAG_BEST, (char *)text.data, NULL, &message,
                                              OTRL_FRAGMENT_SEND_ALL, NULL, NULL, NULL);
    if (error)
        printf("E unsent %s\n", gcry_strerror(error));
    /* Otherwise it has been injected, in as many pieces as it takes. */
    else if (message == NULL)
        answer('I', (char *)text.data);
    otrl_message_free(message);
    free(text.data);
}

static void send_query(const char *const words[])
{
    char *query = otrl_proto_default_query_msg(ACCOUNT, policy);
    answer('I', query);
    free(query);
}

static void start_comparison(const char *const words[])
{
    struct bytes secret = decode_hex(words[0]);
    otrl_message_initiate_smp(user, &host, NULL, session(), secret.data, secret.length);
    free(secret.data);
}

static void ask(const char *const words[])
{
    struct bytes question = decode_hex(words[0]);
    struct bytes secret = decode_hex(words[1]);
    otrl_message_initiate_smp_q(user, &host, NULL, session(), (char *)question.data, secret.data,
                                secret.length);
    free(question.data);
    free(secret.data);
}

static void answer_comparison(const char *const words[])
{
    struct bytes secret = decode_hex(words[0]);
    otrl_message_respond_smp(user, &host, NULL, session(), secret.data, secret.length);
    free(secret.data);
}

static void abort_comparison(const char *const words[])
{
    otrl_message_abort_smp(user, &host, NULL, session());
}

static void cheat(const char *const words[])
{
    lies = true;
}

static void disconnect(const char *const words[])
{
    otrl_message_disconnect_all_instances(user, &host, NULL, ACCOUNT, PROTOCOL, CONTACT);
}

static void share_key(const char *const words[])
{
    struct bytes about = decode_hex(words[1]);
    unsigned char key[SYMMETRIC_KEY_BYTES];
    gcry_error_t error = otrl_message_symkey(user, &host, NULL, session(),
                                             strtoul(words[0], NULL, 10), about.data, about.length,
                                             key);
    if (error) {
        printf("E unsent %s\n", gcry_strerror(error));
    } else {
        printf("E mysymkey ");
        print_hex(key, sizeof key);
        putchar('\n');
    }
    free(about.data);
}

static const struct command {
    const char *name;
    int words;
    void (*run)(const char *const words[]);
} commands[] = {
    { "N", 0, forget },
    { "P", 1, set_versions },
    { "M", 1, set_max_message_size },
    { "W", 1, wait },
    { "R", 1, receive },
    { "S", 1, send_text },
    { "Q", 0, send_query },
    { "SMP", 1, start_comparison },
    { "SMPQ", 2, ask },
    { "SMPR", 1, answer_comparison },
    { "SMPA", 0, abort_comparison },
    { "CHEAT", 0, cheat },
    { "D", 0, disconnect },
    { "K", 2, share_key },
};

static void obey(char *line)
{
    const char *name = strsep(&line, " ");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        const char *words[2];
        for (int word = 0; word < commands[i].words; word++)
            if ((words[word] = strsep(&line, " ")) == NULL)
                die("a word is missing");
        commands[i].run(words);
        return;
    }
    die("no such command");
}

static void end_answer(void)
{
    puts(".");
    fflush(stdout);
}

int main(void)
{
    /* Nobody's real key is made here, and a new one need not wait for the kernel's entropy. */
    gcry_control(GCRYCTL_ENABLE_QUICK_RANDOM, 0);
    OTRL_INIT;
    user = otrl_userstate_create();
    unsigned char fingerprint[20];
    if (otrl_privkey_generate(user, KEY_FILE, ACCOUNT, PROTOCOL) ||
        otrl_privkey_fingerprint_raw(user, fingerprint, ACCOUNT, PROTOCOL) == NULL)
        die("no key");
    printf("E ready ");
    print_hex(fingerprint, sizeof fingerprint);
    printf(" libotr %s\n", otrl_version());
    end_answer();

    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t length; (length = getline(&line, &capacity, stdin)) > 0; end_answer()) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "X") == 0)
            break;
        obey(line);
    }
    free(line);
    otrl_userstate_free(user);
    return EXIT_SUCCESS;
}
