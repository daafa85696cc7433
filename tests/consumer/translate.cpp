// translate MODEL TEXT: the whole program that embeds attend.
#include <attend/attend.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const attend::Model model = attend::Model::load(argv[1]);
  std::cout << model.run(argv[2]).text() << '\n';
}
