/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program behind `bevhost-dev test`: conversations with one handler, in the
 * Test Anything Protocol.
 */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cut.h"
#include "log.h"
#include "script.h"
#include "trial.h"

#define CONVERSATION_WORDS_MAX 200
#define CONVERSATION_CUTS_MAX  8

static struct {
	struct trial_options trial;
	const char *words[CONVERSATION_WORDS_MAX];
	const char *name; /* of the plugin, for who is to name it again */
	struct cut cuts[CONVERSATION_CUTS_MAX];
	int cut_count, keep_going;
	int number, failed; /* of the tests so far */
	char why[1100];	    /* it ends before all were tried */
} conversation = { .trial = { .seconds = 20, .most = 500 } };

static void
conversation_usage(FILE *out)
{
	fputs("Usage: conversation [OPTION]... PLUGIN [KEY=VALUE]... FILE...\n"
	      "\n"
	      "Plays the conversations in FILEs, which end in .conv, to the "
	      "handler of PLUGIN,\nin each way in which a network may cut "
	      "them.\n"
	      "\n"
	      "  -c, --cut=CUT       in this way alone, with a transcript\n"
	      "  -a, --all           in every way, however many there are\n"
	      "  -k, --keep-going    all kinds of ways, also when one has "
	      "failed\n"
	      "  -t, --seconds=N     that one way may take (20)\n"
	      "  -n, --name=TEXT     what PLUGIN is called where a command is "
	      "shown\n"
	      "  -v, --verbose       shows more of the log\n"
	      "  -h, --help          this text\n"
	      "\n"
	      "CUT is whole, bytes, slow, joined, split:N, half:N, stall:N, "
	      "fin:N,\nleave:N, reset:N, drain:N, alloc:N or allocs:N: "
	      "bevhost-conversation(5).\nOf several, with commas, "
	      "the last one that passes or the first that fails is shown.\n",
	    out);
}

static int
conversation_wrong(const char *what, const char *text)
{
	fprintf(stderr, "conversation: %s: %s\n", text, what);
	return EX_USAGE;
}

/* One, or several after commas, the last of which is looked at. */
static int
conversation_cuts(const char *text)
{
	const char *rest = text;
	char word[64];

	conversation.cut_count = 0;
	for (;;) {
		size_t len = strcspn(rest, ",");

		snprintf(word, sizeof(word), "%.*s", (int)len, rest);
		if (conversation.cut_count == CONVERSATION_CUTS_MAX ||
		    len >= sizeof(word) ||
		    cut_parse(
			&conversation.cuts[conversation.cut_count], word) < 0)
			return conversation_wrong(
			    "no way to cut: see --help", text);
		conversation.cut_count++;
		if (rest[len] == '\0')
			return 0;
		rest += len + 1;
	}
}

static int
conversation_option(int option)
{
	static enum bevhost_level level = BEVHOST_LOG_NOTICE;
	char *end;
	long seconds;

	switch (option) {
	case 'c':
		return conversation_cuts(optarg);
	case 'a':
		conversation.trial.most = 0;
		return 0;
	case 'k':
		conversation.keep_going = 1;
		return 0;
	case 't':
		seconds = strtol(optarg, &end, 10);
		if (end == optarg || *end != '\0' || seconds < 1 ||
		    seconds > 3600)
			return conversation_wrong(
			    "seconds are 1 to 3600", optarg);
		conversation.trial.seconds = (int)seconds;
		return 0;
	case 'n':
		conversation.name = optarg;
		return 0;
	case 'v':
		level = (enum bevhost_level)(level + 1);
		log_set_level(level);
		return 0;
	case 'h':
		conversation_usage(stdout);
		exit(0);
	default:
		return EX_USAGE; /* getopt has said it */
	}
}

static void
conversation_comment(const char *title, const char *text)
{
	if (*text == '\0')
		return;
	printf("# %s\n", title);
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		printf("#   %.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

/* After a blank, as a shell reads it. */
static void
conversation_put_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "%+,-./:=@_";

	if (*word != '\0' && word[strspn(word, plain)] == '\0') {
		printf(" %s", word);
		return;
	}
	printf(" '");
	for (; *word != '\0'; word++)
		if (*word == '\'')
			printf("'\\''");
		else
			putchar(*word);
	putchar('\'');
}

static void
conversation_show(
    const struct script *script, const struct trial_result *result)
{
	const char *const *word = conversation.words;
	char cut[64], before[64];

	conversation_comment("what is wrong:", result->play.why);
	conversation_comment("what happened:", result->play.transcript);
	conversation_comment("what was said:", result->said);
	cut_text(&result->cut, cut, sizeof(cut));
	printf("# again:  bevhost-dev test --cut=");
	if (result->has_before)
		printf(
		    "%s,", cut_text(&result->before, before, sizeof(before)));
	fputs(cut, stdout);
	conversation_put_word(conversation.name);
	for (; *word != NULL; word++)
		conversation_put_word(*word);
	conversation_put_word(script->path);
	printf("\n# in gdb: the same with --gdb\n");
}

static void
conversation_report(const struct script *script, const char *what,
    const struct trial_result *result)
{
	char cut[64];

	conversation.number++;
	if (!result->failed) {
		printf(
		    "ok %d - %s: %s", conversation.number, script->path, what);
		if (result->tried > 1)
			printf(", %lld ways", (long long)result->tried);
		if (result->step > 1)
			printf(", one of %lld", (long long)result->step);
		printf("\n");
		return;
	}
	conversation.failed++;
	printf("not ok %d - %s: %s: %s\n", conversation.number, script->path,
	    what, cut_text(&result->cut, cut, sizeof(cut)));
	conversation_show(script, result);
}

/* What was said when the plugin was to start, which is no matter of cuts. */
static int
conversation_refused(
    const struct script *script, const struct trial_result *result)
{
	fputs(result->said, stderr);
	snprintf(conversation.why, sizeof(conversation.why), "%s",
	    result->play.why[0] != '\0' ? result->play.why : script->path);
	return result->play.refused;
}

static void
conversation_on_progress(enum cut_kind kind, int64_t done)
{
	fprintf(
	    stderr, "\r%s: %lld ...\033[K\r", cut_title(kind), (long long)done);
}

static int
conversation_play_all(const struct script *script)
{
	static struct trial_result result;
	int kind;

	for (kind = 0; kind < CUT_KINDS; kind++) {
		if (trial(script, (enum cut_kind)kind, &conversation.trial,
			&result) < 0) {
			fprintf(stderr, "conversation: %s: %m\n", script->path);
			return EX_OSERR;
		}
		if (isatty(STDERR_FILENO))
			fputs("\033[K", stderr);
		if (result.failed && result.play.refused != 0)
			return conversation_refused(script, &result);
		/* There may be none of the kind. */
		if (result.tried > 0 || result.failed)
			conversation_report(
			    script, cut_title((enum cut_kind)kind), &result);
		fflush(stdout);
		/* What fails as it is written, fails in all ways. */
		if (result.failed &&
		    (result.cut.kind == CUT_WHOLE || !conversation.keep_going))
			break;
	}
	return 0;
}

static int
conversation_no_cut(const struct script *script, const struct cut *cut)
{
	char text[64];

	fprintf(stderr,
	    "conversation: %s: %s: there is no such way to cut it: it has %d "
	    "steps, and sends %zu bytes\n",
	    script->path, cut_text(cut, text, sizeof(text)), script->step_count,
	    script->sent);
	snprintf(conversation.why, sizeof(conversation.why), "%s: no such cut",
	    script->path);
	return EX_USAGE;
}

static int
conversation_play_cut(const struct script *script)
{
	static struct trial_result result;
	const struct cut *cut;
	int i;

	/* How many allocations there are is known only when it was played. */
	for (i = 0; i < conversation.cut_count; i++) {
		cut = &conversation.cuts[i];
		if (cut_next(script, cut->kind, cut->at - 1, INT64_MAX) !=
		    cut->at)
			return conversation_no_cut(script, cut);
	}
	if (trial_cuts(script, conversation.cuts, conversation.cut_count,
		&conversation.trial, &result) < 0) {
		fprintf(stderr, "conversation: %s: %m\n", script->path);
		return EX_OSERR;
	}
	cut = &result.cut;
	if (result.failed && result.play.refused != 0)
		return conversation_refused(script, &result);
	if (!result.failed)
		conversation_comment("what happened:", result.play.transcript);
	if ((cut->kind == CUT_ALLOC || cut->kind == CUT_ALLOCS) &&
	    !result.failed && result.play.failed == 0)
		printf("# none failed: there were %lld allocations\n",
		    (long long)result.play.allocations);
	conversation_report(script, cut_title(cut->kind), &result);
	return 0;
}

static int
conversation_play(const char *path)
{
	struct script script;
	char why[512];
	int status;

	if (script_read(&script, path, why, sizeof(why)) < 0) {
		fprintf(stderr, "conversation: %s\n", why);
		snprintf(conversation.why, sizeof(conversation.why), "%s", why);
		script_clear(&script);
		return access(path, R_OK) == 0 ? EX_DATAERR : EX_NOINPUT;
	}
	status = conversation.cut_count > 0 ? conversation_play_cut(&script)
					    : conversation_play_all(&script);
	script_clear(&script);
	return status;
}

/* KEY=VALUE, where a path is no KEY. */
static int
conversation_is_word(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = strspn(text, letters);

	return len > 0 && text[len] == '=';
}

/* PLUGIN, its words, and then files. Returns the first file's index, or 0. */
static int
conversation_words(int argc, char **argv)
{
	static char path[PATH_MAX];
	int i, count = 0;

	for (i = optind + 1; i < argc && conversation_is_word(argv[i]); i++) {
		if (count == CONVERSATION_WORDS_MAX - 1) {
			conversation_wrong(
			    "there are too many parameters", argv[i]);
			return 0;
		}
		conversation.words[count++] = argv[i];
	}
	if (i >= argc) {
		fprintf(stderr, "conversation: no %s is given: see --help\n",
		    optind < argc ? "conversation" : "plugin");
		return 0;
	}
	if (conversation.name == NULL)
		conversation.name = argv[optind];
	/* A handler may go to another folder. */
	conversation.trial.play.plugin = argv[optind];
	if (strchr(argv[optind], '/') != NULL &&
	    realpath(argv[optind], path) != NULL)
		conversation.trial.play.plugin = path;
	conversation.trial.play.words = conversation.words;
	return i;
}

/* The plan, or that there is none any more. */
static int
conversation_end(int status)
{
	if (status != 0)
		printf("Bail out! %s\n", conversation.why[0] != '\0'
					     ? conversation.why
					     : "it cannot be tried");
	else
		printf("1..%d\n", conversation.number);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "conversation: standard output: %m\n");
		return EX_IOERR;
	}
	return status != 0 ? status : conversation.failed > 0;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cut", required_argument, NULL, 'c' },
		{ "all", no_argument, NULL, 'a' },
		{ "keep-going", no_argument, NULL, 'k' },
		{ "seconds", required_argument, NULL, 't' },
		{ "name", required_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option, i, status = 0;

	while (status == 0 && (option = getopt_long(argc, argv, "+c:akt:n:vh",
				   options, NULL)) != -1)
		status = conversation_option(option);
	if (status != 0)
		return status;
	i = conversation_words(argc, argv);
	if (i == 0)
		return EX_USAGE;
	if (isatty(STDERR_FILENO) && conversation.cut_count == 0)
		conversation.trial.on_progress = conversation_on_progress;
	for (; i < argc && status == 0; i++)
		status = conversation_play(argv[i]);
	return conversation_end(status);
}
