// SPDX-License-Identifier: ISC
// Empty.  With a .s file the compiler accepts functions without a body.
