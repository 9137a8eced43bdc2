# The host: threads, peers, snapshots. host_cluster.c runs several of them in one process.
foreach(module host host_faults)
  holdfast_test(test_raft_${module} SOURCES test_${module}.c host_cluster.c DEPS raft_host)
endforeach()
