# The consensus core. To write the transcripts' outputs anew:
#   build/debug/tests/raft/test_core_transcripts --rewrite tests/raft/transcripts/*.txt
add_library(core_net STATIC core_net.c)
target_link_libraries(core_net PUBLIC raft_core)
file(GLOB transcripts CONFIGURE_DEPENDS transcripts/*.txt)
holdfast_test(test_core_transcripts SOURCES test_core_transcripts.c DEPS core_net ARGS ${transcripts})
holdfast_test(test_core_paper SOURCES test_core_paper.c DEPS core_net)
holdfast_test(test_core_units SOURCES test_core_units.c DEPS core_net)
holdfast_fuzzer(fuzz_raft_input SOURCES fuzz_raft_input.c DEPS raft_core CORPUS corpus/raft_input)
