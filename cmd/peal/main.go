// Command peal is one-to-one calling for browsers in one binary: signalling,
// STUN and TURN, the browser component and a demo.
//
// It only reads settings, starts internal/server and waits for a signal; the
// server is made and used by the goroutine of main alone.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// commands are what peal can do.
type commands struct {
	Dev     devCommand     `cmd:"" help:"Start a server for trying out and developing: no configuration, tokens for any name."`
	Serve   serveCommand   `cmd:"" help:"Start a server for real use."`
	Backup  backupCommand  `cmd:"" help:"Copy the database of a running server."`
	Restore restoreCommand `cmd:"" help:"Replace a server's database by a backup."`
	Key     keyCommand     `cmd:"" help:"Make, list and revoke the API keys of a running server."`
	Inspect inspectCommand `cmd:"" help:"Show in JSON what a running server holds: calls, devices and nodes."`
	ICE     iceCommand     `cmd:"" name:"ice" help:"Show the STUN and TURN servers that a server gives to an account."`
	Doctor  doctorCommand  `cmd:"" help:"Find out why calls on a server do not connect, and which setting is wrong."`
	Bench   benchCommand   `cmd:"" help:"Put load on a server and measure it: devices that call each other."`
	Token   tokenCommand   `cmd:"" help:"Make a token for an account."`
	Call    callCommand    `cmd:"" help:"Call an account from this terminal."`
	Answer  answerCommand  `cmd:"" help:"Answer a call at this terminal."`
	Echo    echoCommand    `cmd:"" help:"Answer every call, and repeat what is heard and seen."`
	Hook    hookCommands   `cmd:"" help:"Receive webhooks."`
	Version versionCommand `cmd:"" help:"Print the version."`

	ShowVersion kong.VersionFlag `name:"version" hidden:"" help:"Print the version."`
}

const description = `One-to-one audio and video calls for browsers, from one binary.

To begin, run "peal dev" and open the address that it prints in two tabs.`

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	// exitUnanswered: a call that nobody answered, whatever the reason.
	exitUnanswered = 3
)

// exit is the error of a command that has printed everything and ends with a code.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// misuse is an error of who typed the command line: the exit code is that of wrong usage.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

// run carries out a command line and returns the exit code.
func run(args []string, std streams) int {
	// Asking for help or the version exits in the midst of parsing; this remembers it.
	helped := false
	line := commandLine{args, std}
	var grammar commands
	parser, err := line.parser(&grammar, &helped)
	if err != nil {
		return fail(std, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return exitOK
	case err != nil:
		return misused(std, withoutValue(unknown(err)), commandOf(err))
	}
	err = command.Run()
	var code exit
	switch {
	case errors.As(err, &misuse{}):
		return misused(std, err, command.Selected().Path())
	case errors.As(err, &code):
		return int(code)
	case err != nil:
		return fail(std, err)
	}
	return exitOK
}

// commandLine is what was typed, by which the settings are read again.
type commandLine struct {
	args []string
	std  streams
}

// parser fills a grammar. helped is set where help or the version was asked for.
func (l commandLine) parser(into *commands, helped *bool) (*kong.Kong, error) {
	parser, err := kong.New(into, append(valueReaders(),
		kong.Name("peal"),
		kong.Description(description),
		kong.Writers(l.std.out, l.std.err),
		kong.Exit(func(int) { *helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		kong.Configuration(settingsFile),
		kong.Bind(l.std, l),
		kong.Vars{"devAddr": devAddr, "devData": devData, "version": "peal " + version()},
	)...)
	if err == nil {
		dropEmptyVariables(parser.Model.Node)
	}
	return parser, err
}

// parse reads the command line, the environment and the settings file as they are now.
func (l commandLine) parse() (*commands, *kong.Context, error) {
	var (
		grammar commands
		helped  bool
	)
	parser, err := l.parser(&grammar, &helped)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := parser.Parse(l.args)
	return &grammar, parsed, err
}

// commandOf names the command whose line could not be read; empty where that is
// not known.
func commandOf(err error) string {
	var misspelt *kong.ParseError
	if errors.As(err, &misspelt) && misspelt.Context != nil && misspelt.Context.Selected() != nil {
		return misspelt.Context.Selected().Path()
	}
	return ""
}

// unknown words the error for a command that does not exist: to the parser its name is
// one argument too many.
func unknown(err error) error {
	if word, is := strings.CutPrefix(err.Error(), "unexpected argument "); is && commandOf(err) == "" {
		return fmt.Errorf("unknown command %s", word)
	}
	return err
}

// misused reports wrong usage, and names the help of the command.
func misused(std streams, err error, command string) int {
	fail(std, err)
	if command != "" {
		command += " "
	}
	_, _ = fmt.Fprintf(std.err, "See \"peal %s--help\".\n", command)
	return exitUsage
}

// fail tells of an error on one line.
func fail(std streams, err error) int {
	text := strings.Join(strings.Split(strings.TrimSpace(err.Error()), "\n"), "; ")
	_, _ = fmt.Fprintln(std.err, "peal: "+text)
	return exitFailed
}
