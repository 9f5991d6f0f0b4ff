# SPDX-License-Identifier: Apache-2.0
# reelsight_headers_version(OUT HEADER...): a number in [0, 2^60) that is another one for every other text of the headers,
# comments included, and for every other compiler. Two sides built with one number agree on what the headers declare.
function(reelsight_headers_version out)
  set(digest "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
  foreach(header ${ARGN})
    file(SHA256 ${header} hash)
    string(APPEND digest " ${hash}")
  endforeach()
  string(SHA256 digest "${digest}")
  string(SUBSTRING ${digest} 0 15 digest)
  set(${out} "0x${digest}" PARENT_SCOPE)
endfunction()
