# The host: threads, peers, snapshots. host_cluster.c runs several of them in one process.
holdfast_test(test_raft_host_parts SOURCES test_host_parts.c DEPS raft_host)
foreach(module host host_faults)
  holdfast_test(test_raft_${module} SOURCES test_${module}.c host_cluster.c DEPS raft_host TIMEOUT 400)
endforeach()
