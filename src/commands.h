/* The subcommands. argv[0] is the subcommand's name; the result is the exit status. */
#ifndef COMMANDS_H
#define COMMANDS_H

int command_train(int argc, char **argv);
int command_generate(int argc, char **argv);
int command_encode(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_score(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_convert(int argc, char **argv);
int command_import(int argc, char **argv);
int command_export(int argc, char **argv);

#endif
