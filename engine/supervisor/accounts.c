// SPDX-License-Identifier: MIT
// accounts.c — which users the roles become, if root starts the engine.
//
// Happy path: the roles' user is the setting `user`, or the account posthorn, or the
// owner of the data directory, or nobody. It is given what root owns in the directory,
// and it can read the files that settings name. Senders become another user.
//
// If that user cannot reach the data directory (below /root, say) and no setting asks
// for a user: the roles stay root, as they did before there was the setting.

#include "engine/supervisor/accounts.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"

#define OWN_ACCOUNT "posthorn"

static struct account nobody(void)
{
    struct account account = { ACCOUNT_NOBODY, ACCOUNT_NOBODY };

    (void)!account_find("nobody", &account);
    return account;
}

// Whether the account can reach the directory of a path; the file itself may still
// belong to another user.
static bool is_in_reach(const struct account *a, const char *path)
{
    char *real = realpath(path, NULL);
    char *copy = real != NULL ? real : xstrdup(path);
    bool is = account_can_reach(a, dirname(copy), X_OK);

    free(copy);
    return is;
}

static struct account choose_by_itself(const struct stat *dir)
{
    struct account account;

    if (account_find(OWN_ACCOUNT, &account) == OK && account.uid != 0)
        return account;
    if (dir->st_uid != 0)
        return (struct account){ dir->st_uid, dir->st_gid };
    return nobody();
}

static enum err choose_asked(const struct config *config, struct accounts *out,
                             struct buf *faults)
{
    if (account_find(config->user, &out->roles) != OK) {
        buf_printf(faults,
                   "user: there is no account %s; run useradd --system %s\n",
                   config->user, config->user);
        return ERR_INVALID;
    }
    out->has_roles = true;
    return OK;
}

static enum err choose_roles(const struct config *config,
                             const struct stat *dir, struct accounts *out,
                             struct buf *faults)
{
    bool is_asked = config->user[0] != '\0';
    enum err err = is_asked ? choose_asked(config, out, faults) : OK;

    if (err != OK)
        return err;
    if (!is_asked)
        out->roles = choose_by_itself(dir);
    out->has_roles = true;
    // The directories above must be open to the user; data_dir itself is handed over.
    if (is_in_reach(&out->roles, config->data_dir))
        return OK;
    out->has_roles = false;
    if (!is_asked && strcmp(config->sandbox, "on") != 0) {
        log_warn("the roles stay root: their user cannot reach the data "
                 "directory; move it, for example to /var/lib/posthorn",
                 "uid=%u data_dir=%s", (unsigned)out->roles.uid,
                 log_quote(str_of(config->data_dir)));
        return OK;
    }
    buf_printf(faults,
               "data_dir: the user %u cannot reach %s: a directory above is "
               "closed to that user, or the engine cannot become that user; "
               "move data_dir, for example to /var/lib/posthorn\n",
               (unsigned)out->roles.uid, config->data_dir);
    return ERR_DENIED;
}

static enum err choose_senders(const struct config *config,
                               struct accounts *out, struct buf *faults)
{
    out->has_senders = true;
    if (account_find(config->sender_user, &out->senders) != OK) {
        log_info("sender_user does not exist; uid 65534 is used instead",
                 "user=%s", log_quote(str_of(config->sender_user)));
        out->senders = (struct account){ ACCOUNT_NOBODY, ACCOUNT_NOBODY };
    }
    if (!out->has_roles || out->senders.uid != out->roles.uid)
        return OK;
    if (out->senders.uid == nobody().uid) {
        out->senders =
            (struct account){ ACCOUNT_OTHER_NOBODY, ACCOUNT_OTHER_NOBODY };
        return OK;
    }
    buf_printf(faults,
               "sender_user: %s is also the user of the other roles; it must "
               "be another user\n",
               config->sender_user);
    return ERR_INVALID;
}

static enum err hand_over(const struct config *config, int dir_fd,
                          const struct stat *dir, const struct accounts *a,
                          struct buf *faults)
{
    struct buf why;
    enum err err = OK;

    buf_init(&why, 0);
    if (dir->st_uid != 0 && dir->st_uid != a->roles.uid) {
        buf_printf(&why, "it belongs to the user %u", (unsigned)dir->st_uid);
        err = ERR_DENIED;
    } else {
        err = account_hand_over(dir_fd, &a->roles, &why);
    }
    if (err != OK) {
        buf_printf(faults,
                   "data_dir: %s cannot be given to the user %u: %s; run chown "
                   "-R %u:%u %s\n",
                   config->data_dir, (unsigned)a->roles.uid, buf_cstr(&why),
                   (unsigned)a->roles.uid, (unsigned)a->roles.gid,
                   config->data_dir);
    } else if (!account_can_reach(&a->roles, config->data_dir,
                                  R_OK | W_OK | X_OK)) {
        buf_printf(faults, "data_dir: the user %u cannot use %s\n",
                   (unsigned)a->roles.uid, config->data_dir);
        err = ERR_DENIED;
    } else if (dir->st_uid == 0) {
        log_info("the data directory was given to the user of the roles",
                 "uid=%u", (unsigned)a->roles.uid);
    }
    buf_clear(&why);
    return err;
}

// Checks a file that a setting names. A missing file is made by setup, or reported by
// the role that needs it.
static enum err check_file(const char *setting, const char *path,
                           const struct accounts *a, struct buf *faults)
{
    struct stat st;
    enum err err = OK;
    bool is_there = path[0] != '\0' && stat(path, &st) == 0;
    bool is_readable = !a->has_roles || path[0] == '\0' ||
                       (is_there ? account_can_reach(&a->roles, path, R_OK)
                                 : is_in_reach(&a->roles, path));

    if (is_there && (st.st_mode & S_IRWXO) != 0) {
        buf_printf(faults, "%s: everybody may read %s; run chmod o= %s\n",
                   setting, path, path);
        err = ERR_DENIED;
    }
    if (!is_readable) {
        buf_printf(faults,
                   "%s: %s cannot be read by the user %u; run chown %u %s, and "
                   "open the directories above to it\n",
                   setting, path, (unsigned)a->roles.uid,
                   (unsigned)a->roles.uid, path);
        err = ERR_DENIED;
    }
    return err;
}

static enum err check_files(const struct config *config,
                            const struct accounts *a, struct buf *faults)
{
    char *token = xasprintf("%s/admin.token", config->data_dir);
    char *key = xasprintf("%s/secret.key", config->data_dir);
    const struct {
        const char *setting, *path;
    } files[] = {
        { "admin.token", token },
        { "secret.key", key },
        { "secret_key_file", config->secret_key_file },
        { "deployments_token_file", config->deployments_token_file },
        { "metrics_token_file", config->metrics_token_file },
    };
    enum err err = OK;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        enum err one = check_file(files[i].setting, files[i].path, a, faults);

        err = err == OK ? one : err;
    }
    free(key);
    free(token);
    return err;
}

enum err accounts_prepare(const struct config *config, int dir_fd,
                          struct accounts *out, struct buf *faults)
{
    struct stat dir;
    enum err err = OK;

    memset(out, 0, sizeof(*out));
    if (fstat(dir_fd, &dir) != 0)
        return ERR_IO;
    if (geteuid() == 0) {
        err = choose_roles(config, &dir, out, faults);
        if (err == OK)
            err = choose_senders(config, out, faults);
        if (err == OK && out->has_roles)
            err = hand_over(config, dir_fd, &dir, out, faults);
    }
    if (err == OK)
        err = check_files(config, out, faults);
    return err;
}
