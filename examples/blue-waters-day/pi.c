/* Pi by the midpoint rule, the work shared by the ranks; says on how many nodes they are. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  long steps = argc > 1 ? atol(argv[1]) : 1000000;
  int rank, ranks, place, first, nodes;
  double mine = 0, sum = 0;
  MPI_Comm node;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_rank(node, &place);
  first = place == 0;
  for (long i = rank; i < steps; i += ranks) {
    double x = (i + 0.5) / steps;
    mine += 4 / (1 + x * x);
  }
  MPI_Reduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
  MPI_Reduce(&first, &nodes, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
  if (rank == 0) printf("%.10f from %d ranks on %d nodes\n", sum / steps, ranks, nodes);
  MPI_Finalize();
  return 0;
}
