# SPDX-License-Identifier: ISC
# Makefile - how gort is built, tested and installed.  "make help" lists it all.
#
# Non-recursive: the Kbuild file of each directory only lists what is in it,
# this file reads them all and has the rules.  Three things follow from that
# and must stay so:
#
#  1. An object is rebuilt when a file it was made from changes, and when the
#     command that made it changes.  The command is kept in <object>.cmd, which
#     is removed before the command runs and written after it succeeded.  So an
#     object without .cmd is half made, whatever killed the build.
#  2. Configurations differ in $(O), so they never overwrite each other.
#  3. Library code is compiled through $(O)/tools/gort-as/as, which puts the
#     stack check in.  Every object depends on that tool, but those in
#     $(O)/plain: the same code without it, for libgort-malloc.so.

VERSION		:= 0.1.0

all:

MAKEFLAGS	+= -rR --no-print-directory
.DELETE_ON_ERROR:
.SUFFIXES:

ifeq ($(wildcard Kbuild),)
$(error run make in the top directory of the sources, or use make -C)
endif

comma		:= ,
empty		:=
space		:= $(empty) $(empty)
pound		:= \#
squote		:= '

# ---------------------------------------------------------------------------
# Configuration

host-arch	:= $(patsubst amd64,x86_64,$(patsubst aarch64,arm64,$(shell uname -m)))

ARCH		?= $(host-arch)
HOSTCC		?= gcc
DEBUG		?= 0
SANITIZE	?=
WERROR		?= $(if $(filter true,$(CI)),1,0)
EXTRA_CFLAGS	?=
GORTDEBUG	?=
TIMEOUT		?= 60
PREFIX		?= /usr/local
DESTDIR		?=
CORPUS		?= $(if $(filter true,$(CI)),1,0)
V		?= 0

# $(call one-of,variable,allowed values)
one-of		= $(if $(filter-out 1,$(words $($(1))))$(filter-out $(2),$($(1))), \
			$(error $(1)=$($(1)) is unknown, use one of: $(2)))

# Empty is 0.
$(foreach v,DEBUG WERROR CORPUS V,$(if $($(v)),,$(eval override $(v) := 0)))

$(call one-of,ARCH,x86_64 arm64)
$(call one-of,DEBUG,0 1 2)
$(call one-of,WERROR,0 1)
$(call one-of,CORPUS,0 1)
$(call one-of,V,0 1 2)

sanitizers	:= $(sort $(subst $(comma), ,$(SANITIZE)))
bad		:= $(filter-out address undefined thread,$(sanitizers))
ifneq ($(bad),)
$(error SANITIZE=$(SANITIZE): "$(bad)" is unknown, use address, undefined, \
	thread or a list such as address$(comma)undefined)
endif
ifeq ($(filter address thread,$(sanitizers)),address thread)
$(error SANITIZE=$(SANITIZE): address and thread exclude each other)
endif

triple-x86_64	:= x86_64-linux-gnu
triple-arm64	:= aarch64-linux-gnu
emulator-x86_64	:= qemu-x86_64 -L /usr/x86_64-linux-gnu
# The foreign architecture's own libc, if it is installed: a loader from the
# cross libc would still find the other's libraries, of another version.
emulator-arm64	:= qemu-aarch64 $(if $(wildcard /lib/ld-linux-aarch64.so.1),, \
		   -L /usr/aarch64-linux-gnu)

ifneq ($(ARCH),$(host-arch))
CROSS_COMPILE	?= $(triple-$(ARCH))-
EMULATOR	?= $(emulator-$(ARCH))
else
CROSS_COMPILE	?=
EMULATOR	?=
endif

# make has built-in values for some of these; they do not count as a choice.
set-default	= $(if $(filter default undefined,$(origin $(1))),$(eval $(1) := $(2)))
$(call set-default,CC,gcc)
$(call set-default,AR,$(CROSS_COMPILE)ar)
$(call set-default,LD,$(CROSS_COMPILE)ld)
$(call set-default,NM,$(CROSS_COMPILE)nm)
$(call set-default,OBJCOPY,$(CROSS_COMPILE)objcopy)

# CC names the compiler, cc-cmd is how to call it for ARCH.
cc-name		:= $(notdir $(firstword $(filter-out ccache %/ccache,$(CC))))
cc-is-clang	:= $(findstring clang,$(cc-name))
cc-cmd		:= $(CC)
ifneq ($(CROSS_COMPILE),)
ifneq ($(cc-is-clang),)
cc-cmd		:= $(CC) --target=$(notdir $(patsubst %-,%,$(CROSS_COMPILE)))
else ifneq ($(filter gcc gcc-% cc,$(cc-name)),)
cc-cmd		:= $(patsubst $(cc-name),$(CROSS_COMPILE)$(cc-name),$(CC))
endif
endif

o-suffix	:= $(filter-out gcc cc,$(cc-name)) $(sanitizers) \
		   $(if $(filter-out 0,$(DEBUG)),debug$(filter-out 1,$(DEBUG)))
o-default	:= build/$(subst $(space),-,$(strip $(ARCH) $(o-suffix)))
o-given		:= $(filter-out undefined,$(origin O))
O		?= $(o-default)
override O	:= $(patsubst %/,%,$(O))

# Where "make test" builds its configurations.
variants	:= $(if $(o-given),$(O),build)/test

# ---------------------------------------------------------------------------
# Flags

as-dir		:= $(O)/tools/gort-as
as-tool		:= $(as-dir)/as

# What a user of the library compiles and links with.  gort.pc and everything
# in tests/ take it from here.  $(1): directory of as, $(2): that of gort.specs
gort-cflags	= -B$(1) -specs=$(2)/gort.specs -fno-integrated-as \
		  -Wno-unused-command-line-argument \
		  -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer \
		  -fno-stack-clash-protection
gort-ldflags	:= -pthread -Wl,-z,now -Wl,--wrap=longjmp -Wl,--wrap=_longjmp \
		   -Wl,--wrap=siglongjmp -Wl,--wrap=__longjmp_chk

public-include	:= $(patsubst %,-I%,$(wildcard */include/gort))
public-include	:= $(patsubst %/gort,%,$(public-include))
private-include	:= -Iarch/include -Iarch/$(ARCH)/include $(public-include) \
		   -I$(O)/generated -I.

GORT_CFLAGS	:= $(public-include) $(call gort-cflags,$(as-dir),$(O))
GORT_LIBS	:= $(gort-ldflags)

# An object whose CFLAGS_REMOVE_ names this one is not instrumented.
SPLIT_CFLAGS	:= -B$(as-dir)

debug-cflags	:= $(if $(filter-out 0,$(DEBUG)),-Og -DGORT_DEBUG=$(DEBUG),-O2)
sanitize-flags	:= $(if $(sanitizers),-fsanitize=$(subst $(space),$(comma),$(sanitizers))) \
		   $(if $(filter undefined,$(sanitizers)),-fno-sanitize-recover=undefined)
warning-cflags	:= -Wall -Wextra -Wvla -Wshadow -Wstrict-prototypes \
		   -Wmissing-prototypes $(if $(filter 1,$(WERROR)),-Werror)
clang-flags	:= $(if $(cc-is-clang),-fno-integrated-as -Wno-unused-command-line-argument)
gcc-flags	:= $(if $(cc-is-clang),,-fno-ipa-ra)

# Calls and frames, for "make checkstack": x.ci beside x.o.
ci-flags	:= $(if $(cc-is-clang)$(sanitizers)$(filter-out 0,$(DEBUG)),,-fcallgraph-info=su)

common-cflags	:= -std=gnu11 $(debug-cflags) -g $(warning-cflags)

cflags-lib	:= $(common-cflags) -fPIC -fvisibility=hidden \
		   -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer \
		   -fno-stack-clash-protection -fno-stack-protector $(gcc-flags) $(SPLIT_CFLAGS) \
		   $(clang-flags) $(sanitize-flags) $(ci-flags) $(private-include)
cflags-test	:= $(common-cflags) $(GORT_CFLAGS) $(sanitize-flags) -Itests
cflags-internal	:= $(cflags-test) $(private-include)
cflags-sample	:= $(cflags-test)
cflags-bench	:= $(cflags-test)
# The gort command has no runtime in it.
cflags-cmd	:= $(common-cflags) $(clang-flags) $(sanitize-flags) -I.

# Hand-written assembly has its checks, if any, in the source.
aflags		:= -g -fPIC $(clang-flags) -Wa,--noexecstack -D__ASSEMBLY__ \
		   $(if $(filter-out 0,$(DEBUG)),-DGORT_DEBUG=$(DEBUG)) \
		   $(if $(filter address,$(sanitizers)),-DGORT_ASAN=1) \
		   $(private-include)

hostcflags	:= -std=gnu11 -O2 -g $(warning-cflags) -I.

ldlibs-test	:= -lcmocka
ldlibs-internal	:= -lcmocka

# ---------------------------------------------------------------------------
# Kbuild files

list-vars	:= obj-y lib-y malloc-y cmd-y hostprogs-y test-y test-internal-y test-exclusive-y \
		   test-script-y corpus-script-y sample-y bench-y
flag-vars	:= ccflags-y ccflags-remove-y asflags-y

# $(call both,prefix,dir/x.o): CFLAGS_x.o, and CFLAGS_dir/x.o if that differs
both		= $($(1)_$(2)) $(if $(findstring /,$(2)),$($(1)_$(notdir $(2))))

# Flags belong to the Kbuild file that sets them: equal names in two
# directories are two objects.
save-flags	= $(eval cflags@$(1)$(2) := $(ccflags-y) $(call both,CFLAGS,$(2).o)) \
		  $(eval remove@$(1)$(2) := $(ccflags-remove-y) $(call both,CFLAGS_REMOVE,$(2).o)) \
		  $(eval aflags@$(1)$(2) := $(asflags-y) $(call both,AFLAGS,$(2).o)) \
		  $(eval ldflags@$(1)$(2) := $(call both,LDFLAGS,$(2))) \
		  $(eval objs@$(1)$(2) := $(call both,OBJS,$(2))) \
		  $(eval timeout@$(1)$(2) := $(call both,TIMEOUT,$(2)))

drop-flags	= $(foreach v,$(filter CFLAGS_% AFLAGS_%,$(.VARIABLES)), \
			$(if $(filter file,$(origin $(v))),$(eval undefine $(v))))

# $(call read-kbuild,dir/): read its Kbuild, then those of directories it lists
read-kbuild	= $(foreach v,$(list-vars) $(flag-vars),$(eval $(v) :=)) \
		  $(if $(wildcard $(1)Kbuild),$(eval include $(1)Kbuild), \
			$(eval missing-kbuild += $(1)Kbuild)) \
		  $(foreach v,$(list-vars), \
			$(eval all-$(v) += $(addprefix $(1),$(filter-out %/,$($(v)))))) \
		  $(foreach o,$(patsubst %.o,%,$(filter-out %/,$(obj-y) $(lib-y) \
			$(malloc-y) $(cmd-y) $(test-y) $(test-internal-y) $(test-script-y) \
			$(corpus-script-y) $(sample-y) $(bench-y))), \
			$(call save-flags,$(1),$(o))) \
		  $(call drop-flags) \
		  $(foreach d,$(addprefix $(1),$(filter %/,$(obj-y))), \
			$(call read-kbuild,$(d)))

TIMEOUT_	:=
$(foreach v,$(list-vars),$(eval all-$(v) :=))
missing-kbuild	:=
$(call read-kbuild,)

objs		:= $(addprefix $(O)/,$(all-obj-y))
plain-objs	:= $(foreach o,$(all-obj-y),$(O)/$(if $(wildcard $(o:.o=.c)),plain/)$(o))
lib-objs	:= $(addprefix $(O)/,$(all-lib-y))
c-objs		:= $(sort $(foreach o,$(all-obj-y) $(all-lib-y),$(if $(wildcard $(o:.o=.c)),$(o))))
malloc-objs	:= $(addprefix $(O)/plain/,$(all-malloc-y))
cmd-objs	:= $(addprefix $(O)/,$(all-cmd-y))
gort-cmd	:= $(if $(cmd-objs),$(O)/gort)
# Sanitizers have a malloc() of their own.
malloc-so	:= $(if $(sanitizers),,$(if $(malloc-objs),$(O)/libgort-malloc.so))
test-bins	:= $(addprefix $(O)/,$(all-test-y))
internal-bins	:= $(addprefix $(O)/,$(all-test-internal-y))
sample-bins	:= $(addprefix $(O)/,$(all-sample-y))
bench-bins	:= $(addprefix $(O)/,$(all-bench-y))
bins		:= $(test-bins) $(internal-bins) $(sample-bins) $(bench-bins)

$(foreach o,$(all-cmd-y),$(eval kind@$(o:.o=) := cmd))
$(foreach t,$(all-test-y),$(eval kind@$(t) := test))
$(foreach t,$(all-test-internal-y),$(eval kind@$(t) := internal))
$(foreach t,$(all-sample-y),$(eval kind@$(t) := sample))
$(foreach t,$(all-bench-y),$(eval kind@$(t) := bench))
kind		= $(or $(kind@$(1)),$(if $(filter tests/%,$(1)),test,lib))

generated	:= $(if $(wildcard arch/$(ARCH)/asm-offsets.c),$(O)/generated/asm-offsets.h) \
		   $(if $(wildcard kernel/lockrank.tbl),$(O)/generated/lockrank.h) \
		   $(if $(wildcard mm/mksizeclass.c),$(O)/generated/sizeclass.h)

# ---------------------------------------------------------------------------
# if_changed: run cmd_$(1) when a prerequisite or the command itself changed

PHONY		:= all FORCE
FORCE:

short		= $(patsubst $(O)/%,%,$@)
escsq		= $(subst $(squote),'\$(squote)',$(1))
make-cmd	= $(call escsq,$(subst $(pound),$$(pound),$(subst $$,$$$$,$(strip $(cmd_$(1))))))
one-word	= $(subst $(space),^,$(strip $(1)))
cmd-changed	= $(filter-out $(call one-word,$(savedcmd_$@)),$(call one-word,$(cmd_$(1)))) \
		  $(filter-out $(call one-word,$(cmd_$(1))),$(call one-word,$(savedcmd_$@)))
new-prereqs	= $(filter-out $(PHONY),$?) $(filter-out $(PHONY) $(wildcard $^),$^)

ifneq ($(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS)))),)
say		=
else ifeq ($(V),0)
say		= $(if $(quiet_$(1)),echo '  $(quiet_$(1))';)
else
say		= echo '$(call escsq,$(strip $(cmd_$(1))))';
endif
ifeq ($(V),2)
reason		= $(if $(wildcard $@),$(if $(strip $(new-prereqs)), \
			newer: $(wordlist 1,4,$(new-prereqs)),command changed),does not exist)
why		= echo '  ($(short): $(strip $(reason)))';
endif

# What is included is noted beside the command.  The source is not: the rule
# names it, and x.c may become x.S.
if_changed	= $(if $(strip $(new-prereqs) $(cmd-changed)), \
	@set -e; $(call why) $(call say,$(1)) mkdir -p $(@D); rm -f $@ $@.cmd; \
	$(cmd_$(1)); \
	{ printf '%s\n' 'savedcmd_$@ := $(make-cmd)'; \
	  if test -f $@.d; then sed 's| $< | |; s| $<$$||' $@.d; rm $@.d; fi; \
	} > $@.cmd.tmp; mv $@.cmd.tmp $@.cmd,@:)

# filechk: write what cmd_$(1) prints into $@, unless it is there already.
# Tests that run make may do so at the same time.
filechk		= @set -e; mkdir -p $(@D); t=$@.$$$$; { $(cmd_$(1)); } > $$t; \
	if cmp -s $$t $@; then rm $$t; else $(call say,$(1)) mv $$t $@; fi

depflags	= -MMD -MP -MT $@ -MF $@.d

# ---------------------------------------------------------------------------
# Rules

c_flags		= $(strip $(filter-out $(remove@$*),$(cflags-$(call kind,$*))) \
			$(cflags@$*) $(EXTRA_CFLAGS))
plain_flags	= $(filter-out $(SPLIT_CFLAGS) $(ci-flags),$(c_flags))

# The calls of the source: nothing inlined, and each has a relocation.
cs_flags	= $(filter-out $(SPLIT_CFLAGS) -g -O2 -W%,$(c_flags)) -w -O0 \
		  -ffunction-sections -DGORT_CHECKSTACK
a_flags		= $(strip $(filter-out $(remove@$*),$(aflags)) $(aflags@$*))

quiet_cc	= CC      $(short)
cmd_cc		= $(cc-cmd) $(c_flags) $(depflags) -c -o $@ $<

quiet_cc_plain	= CC      $(short)
cmd_cc_plain	= $(cc-cmd) $(plain_flags) $(depflags) -c -o $@ $<

quiet_cc_cs	= CC      $(short)
cmd_cc_cs	= $(cc-cmd) $(cs_flags) $(depflags) -c -o $@ $<

quiet_as	= AS      $(short)
cmd_as		= $(cc-cmd) $(a_flags) $(depflags) -c -o $@ $<

# Without the notes that would let the runtime preempt itself anywhere.
quiet_ld_r	= LD      $(short)
cmd_ld_r	= $(LD) -r -T arch/gort.lds -o $@ $(filter %.o,$^) && \
		  $(OBJCOPY) --remove-section=.gort_text $@

# Hidden symbols become local: no name of ours clashes with one of the user's.
quiet_localize	= OBJCOPY $(short)
cmd_localize	= $(OBJCOPY) --localize-hidden $< $@

quiet_ar	= AR      $(short)
cmd_ar		= $(AR) rcsD $@ $(filter %.o,$^)

# For programs that know nothing of goroutines, or have a runtime of their
# own: only malloc() and its family show.  No longjmp() is to be wrapped.
quiet_malloc_so	= LD      $(short)
cmd_malloc_so	= $(cc-cmd) -shared -o $@ $(filter %.o,$^) -pthread \
		  -Wl,-soname,$(@F) -Wl,-z,now,-z,defs,-z,nodelete,-z,noexecstack \
		  -Wl,--version-script=mm/malloc.map

quiet_link	= LD      $(short)
cmd_link	= $(cc-cmd) $(sanitize-flags) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
		  $(ldlibs-$(call kind,$*)) $(GORT_LIBS) $(ldflags@$*)

# Of the archive it takes what reads traces.
quiet_link_cmd	= LD      $(short)
cmd_link_cmd	= $(cc-cmd) $(sanitize-flags) -o $@ $(filter %.o,$^) $(filter %.a,$^)

quiet_hostcc	= HOSTCC  $(short)
cmd_hostcc	= $(HOSTCC) $(hostcflags) $(depflags) -c -o $@ $<

quiet_hostld	= HOSTLD  $(short)
cmd_hostld	= $(HOSTCC) -o $@ $(filter %.o,$^)

$(O)/%.o: %.c $(as-tool) FORCE | $(generated) $(O)/gort.specs
	$(call if_changed,cc)

# Without stack checks: a check would take the stack of a program's own
# goroutine, which is a stranger to the copy of the runtime in here, for ours.
$(O)/plain/%.o: %.c FORCE | $(generated)
	$(call if_changed,cc_plain)

$(O)/checkstack/%.o: %.c FORCE | $(generated)
	$(call if_changed,cc_cs)

$(O)/%.o: %.S FORCE | $(generated)
	$(call if_changed,as)

$(O)/host/%.o: %.c FORCE
	$(call if_changed,hostcc)

$(O)/gort-test.o: $(objs) arch/gort.lds FORCE
	$(call if_changed,ld_r)

$(O)/plain/gort.o: $(plain-objs) arch/gort.lds FORCE
	$(call if_changed,ld_r)

$(O)/libgort-malloc.so: $(O)/plain/gort.o $(malloc-objs) mm/malloc.map FORCE
	$(call if_changed,malloc_so)

$(O)/gort.o: $(O)/gort-test.o FORCE
	$(call if_changed,localize)

$(O)/libgort.a: $(O)/gort.o $(lib-objs) FORCE
	$(call if_changed,ar)

$(O)/trace/cmd/flame_js.o: trace/cmd/flame.js
$(O)/trace/cmd/html_page.o: $(wildcard trace/cmd/page*)

$(O)/gort: $(cmd-objs) $(O)/libgort.a FORCE
	$(call if_changed,link_cmd)

$(test-bins) $(sample-bins) $(bench-bins): $(O)/%: $(O)/%.o $(O)/libgort.a FORCE
	$(call if_changed,link)

# Sees the hidden symbols too; of the archive only lib-y members are left to take.
$(internal-bins): $(O)/%: $(O)/%.o $(O)/gort-test.o $(O)/libgort.a FORCE
	$(call if_changed,link)

$(foreach b,$(patsubst $(O)/%,%,$(bins)), \
	$(if $(objs@$(b)),$(eval $(O)/$(b): $(addprefix $(O)/tests/,$(objs@$(b))))))

# Host programs: <name>-srcs, relative to the top directory.
host-objs	= $(patsubst %.c,$(O)/host/%.o,$($(1)-srcs))

$(as-tool): $(call host-objs,stacksplit) FORCE
	$(if $(stacksplit-srcs),,$(error arch/stacksplit/Kbuild must list stacksplit-srcs))
	$(call if_changed,hostld)

$(O)/tools/stacksplit: $(as-tool)
	@ln -sfn gort-as/as $@

host-tools	:= $(patsubst %,$(O)/tools/%,$(sort $(notdir $(all-hostprogs-y))))
$(foreach p,$(filter-out stacksplit,$(notdir $(host-tools))), \
	$(eval $(O)/tools/$(p): $(call host-objs,$(p)) FORCE ; $$(call if_changed,hostld)))

# Generated files
quiet_gen	= GEN     $(short)
quiet_offsets	= $(quiet_gen)
quiet_lockrank	= $(quiet_gen)
quiet_lockorder	= $(quiet_gen)
quiet_sizeclass	= $(quiet_gen)
quiet_pc	= $(quiet_gen)
quiet_specs	= $(quiet_gen)
quiet_offsets_s	= CC      $(short)

cmd_offsets_s	= $(cc-cmd) $(filter-out $(SPLIT_CFLAGS) $(ci-flags) $(sanitize-flags),$(cflags-lib)) \
		  $(EXTRA_CFLAGS) $(depflags) -S -o $@ $<
cmd_offsets	= echo '/* Generated from arch/$(ARCH)/asm-offsets.c. */'; \
		  echo '$(pound)ifndef GORT_ASM_OFFSETS_H'; \
		  echo '$(pound)define GORT_ASM_OFFSETS_H'; echo; \
		  sed -n -f arch/asm-offsets.sed $<; \
		  echo; echo '$(pound)endif'
cmd_lockrank	= awk -f kernel/lockrank.awk kernel/lockrank.tbl
cmd_lockorder	= awk -v picture=1 -f kernel/lockrank.awk kernel/lockrank.tbl
cmd_sizeclass	= $(O)/tools/mksizeclass
cmd_pc		= sed -e 's|@VERSION@|$(VERSION)|' \
		  -e 's|@CFLAGS@|$(strip $(call gort-cflags,$${libdir}/gort,$${libdir}/gort))|' \
		  -e 's|@LIBS@|$(gort-ldflags)|' $<
cmd_specs	= cat $<

$(O)/generated/asm-offsets.s: arch/$(ARCH)/asm-offsets.c FORCE \
		| $(filter-out %/asm-offsets.h,$(generated))
	$(call if_changed,offsets_s)

$(O)/generated/asm-offsets.h: $(O)/generated/asm-offsets.s arch/asm-offsets.sed FORCE
	$(call filechk,offsets)

$(O)/generated/lockrank.h: kernel/lockrank.tbl kernel/lockrank.awk FORCE
	$(call filechk,lockrank)

$(O)/generated/sizeclass.h: $(O)/tools/mksizeclass FORCE
	$(call filechk,sizeclass)

# In which order locks are taken, for Graphviz.
$(O)/generated/lockorder.dot: kernel/lockrank.tbl kernel/lockrank.awk FORCE
	$(call filechk,lockorder)

lockorder: $(O)/generated/lockorder.dot
	@cat $<

$(O)/gort.pc: kernel/gort.pc.in FORCE
	$(call filechk,pc)

$(O)/gort.specs: arch/gort.specs FORCE
	$(call filechk,specs)

all: $(O)/libgort.a $(malloc-so) $(O)/gort-test.o $(host-tools) $(O)/gort.pc $(O)/gort.specs \
	$(gort-cmd)

# "make kernel/chan.o" builds that object in $(O).
goal-objs	:= $(filter-out $(O)/% /%,$(filter %.o,$(MAKECMDGOALS)))
$(foreach o,$(goal-objs),$(eval $(o): $(O)/$(o) ; @:))

# ---------------------------------------------------------------------------
# What runs on which stack

cs-tool		:= $(O)/tools/gort-checkstack
cs-rules	:= arch/checkstack/gort.rules
cs-objs		:= $(addprefix $(O)/checkstack/,$(c-objs))
cs-cis		:= $(patsubst %.o,$(O)/%.ci,$(c-objs))

quiet_checkstack = CHECK   $(short)
cmd_checkstack	= { s=0; $(cs-tool) --rules=$(cs-rules) --calls $(cs-objs:.o=.ci) || s=1; \
		  $(cs-tool) --rules=$(cs-rules) --frames $(cs-cis) || s=1; exit $$s; } > $@

$(O)/checkstack.txt: $(cs-objs) $(addprefix $(O)/,$(c-objs)) $(cs-tool) $(cs-rules) \
		kernel/lockrank.tbl FORCE
	$(call if_changed,checkstack)

ifneq ($(ci-flags),)
checkstack: $(O)/checkstack.txt
	@grep -v '^  .*:[0-9]* .*  ' $<; echo '  for each of them: $<'
else
checkstack:
	@echo 'make checkstack: asks gcc what it calls, at -O2: not CC=clang, DEBUG or SANITIZE' >&2; \
		false
endif

# ---------------------------------------------------------------------------
# Tests

# Emulated and instrumented code is slow.
slow		:= $(if $(EMULATOR)$(sanitizers),5,1)
timeout		= $$(($(or $(timeout@$(1)),$(TIMEOUT)) * $(slow)))

# TSan wants the memory layout of kernels that randomise less.
launcher	= $(if $(filter thread,$(sanitizers)),setarch -R) $(EMULATOR)

check-name	= $(ARCH)$(addprefix $(space),$(filter-out gcc,$(cc-name)))$(if \
		  $(SANITIZE), SANITIZE=$(SANITIZE))$(if $(filter-out 0,$(DEBUG)), \
		  DEBUG=$(DEBUG))$(if $(GORTDEBUG), GORTDEBUG=$(GORTDEBUG))

# Scripts test the build, once: in the plain configuration of each ARCH.
scripts		= $(if $(sanitizers)$(GORTDEBUG)$(filter-out 0,$(DEBUG)),,$(all-test-script-y))
tests		= $(test-bins) $(internal-bins)
exclusive	= $(addprefix $(O)/,$(all-test-exclusive-y))
TESTS		?=
matching	= $(foreach t,$(1),$(if $(strip $(foreach w,$(TESTS),$(findstring $(w),$(t)))),$(t)))
selected	= $(if $(TESTS),$(call matching,$(1)),$(1))
test-args	= $(foreach t,$(1),-t $(call timeout,$(patsubst $(O)/%,%,$(t))) $(t))

# Scripts may call make; they get the configuration, not our job server.
script-vars	:= O ARCH CC CROSS_COMPILE HOSTCC DEBUG SANITIZE WERROR EXTRA_CFLAGS \
		   EMULATOR AR LD NM OBJCOPY CI
run-env		= env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES \
		  $(foreach v,$(script-vars),$(v)='$(call escsq,$($(v)))') \
		  CC_CMD='$(call escsq,$(cc-cmd))' \
		  GORTDEBUG='$(subst $(space),$(comma),$(strip $(GORTDEBUG) $(test-gortdebug-y)))'
results		= $(or $(RESULTS),$(O)/results)
run-tests	= $(run-env) tests/run.sh run -m '$(or $(MODE),$(strip $(check-name)))' \
		  -r '$(results)' -e '$(strip $(launcher))' \
		  -s '$(O)/' $(call test-args,$(filter-out $(exclusive),$(1))) \
		  -x $(call test-args,$(filter $(exclusive),$(1)))

# check-run leaves the count in $(RESULTS), check closes with it.
check-run check: all $(call selected,$(tests)) $(if $(TESTS),,$(sample-bins))
check-run:
	@$(call run-tests,$(call selected,$(tests) $(scripts)))

check:
	@rm -f $(results)
	@$(call run-tests,$(call selected,$(tests) $(scripts))) || true
	@tests/run.sh total $(results)

check-corpus: all $(sample-bins)
	@$(if $(RESULTS),,rm -f $(results))
	@$(if $(all-corpus-script-y),$(call run-tests,$(call selected,$(all-corpus-script-y))),\
		echo 'tests/Kbuild lists no corpus-script-y'; false) $(if $(RESULTS),,|| true)
	@$(if $(RESULTS),,tests/run.sh total $(results))

check-arm64:
	@$(MAKE) ARCH=arm64 O=$(if $(o-given),$(O)/arm64,$(subst build/$(ARCH),build/arm64,$(O))) check

# $(call variant,mode,directory,variables): one mode of "make test".  A mode
# that does not even build is one failure; the others still run.
variant		= +@$(MAKE) $(or $(4),check-run) O=$(variants)/$(2) WERROR=1 \
		  RESULTS=$(variants)/results MODE='$(1)' $(3) || \
		  tests/run.sh missing -m '$(1)' -r $(variants)/results

test:
	@tests/deps.sh
	@mkdir -p $(variants) && rm -f $(variants)/results
	$(call variant,native,native)
	$(call variant,native maymorestack=move,native,GORTDEBUG=maymorestack=move)
	$(call variant,native maymorestack=preempt,native,GORTDEBUG=maymorestack=preempt)
	$(call variant,native debug,debug,DEBUG=1)
	$(call variant,native address+undefined sanitizer,asan,SANITIZE=address$(comma)undefined)
	$(call variant,native thread sanitizer,tsan,SANITIZE=thread)
	$(call variant,arm64,arm64,ARCH=arm64)
ifneq ($(and $(filter 1,$(CORPUS)),$(strip $(all-corpus-script-y))),)
	$(call variant,corpus,native,,check-corpus)
endif
	@tests/run.sh total $(variants)/results

# ---------------------------------------------------------------------------
# Demonstration and benchmarks

list-files	= git ls-files -- $(1) 2>/dev/null | grep . || \
		  find . -name .git -prune -o -path ./build -prune -o -type f \
		  \( -false $(foreach p,$(1),-o -name $(p)) \) -print
FILES		?=
ARGS		?=
FUZZTIME	?= 600

demo: $(O)/tests/samples/wordfreq
	@$(EMULATOR) $< $(or $(FILES),$$($(call list-files,'*.c' '*.h' '*.S')))

bench: $(bench-bins)
	@set -e; for b in $(bench-bins); do $(EMULATOR) $$b $(ARGS); done

bench-compare: $(bench-bins) $(O)/tests/samples/httpd
	@$(run-env) bash tests/bench/compare.sh $(ARGS)

fuzz:
	@$(run-env) bash tests/trace/fuzz.sh $(FUZZTIME)

# ---------------------------------------------------------------------------
# Installation

inst		:= $(DESTDIR)$(PREFIX)

install: all
	install -d $(inst)/bin $(inst)/include/gort $(inst)/lib/gort $(inst)/lib/pkgconfig \
		$(inst)/share/gort $(inst)/share/man/man1
	install -m 644 $(wildcard */include/gort/*.h) $(inst)/include/gort
	install -m 644 $(O)/libgort.a $(inst)/lib
	$(if $(malloc-so),install -m 755 $(malloc-so) $(inst)/lib)
	install -m 644 $(O)/gort.pc $(inst)/lib/pkgconfig
	install -m 644 $(O)/gort.specs $(inst)/lib/gort
	install -m 755 $(as-tool) $(inst)/lib/gort/as
	install -m 755 $(O)/gort $(inst)/bin
	install -m 644 trace/cmd/gort.1 $(inst)/share/man/man1
	install -m 755 $(O)/tools/gort-checkstack $(inst)/bin
	install -m 644 kernel/gort-gdb.py $(inst)/share/gort

uninstall:
	rm -f $(addprefix $(inst)/include/gort/,$(notdir $(wildcard */include/gort/*.h)))
	rm -f $(inst)/lib/libgort.a $(inst)/lib/libgort-malloc.so
	rm -f $(inst)/lib/pkgconfig/gort.pc
	rm -f $(inst)/lib/gort/gort.specs $(inst)/lib/gort/as
	rm -f $(inst)/bin/gort $(inst)/share/man/man1/gort.1
	rm -f $(inst)/bin/gort-checkstack
	rm -f $(inst)/share/gort/gort-gdb.py
	-rmdir $(inst)/include/gort $(inst)/lib/gort $(inst)/share/gort

# ---------------------------------------------------------------------------
# The rest

clean:
	rm -rf $(O)

distclean:
	rm -rf build tags TAGS compile_commands.json
	$(if $(o-given),rm -rf $(O))

tags:
	@if command -v ctags >/dev/null; then \
		echo '  CTAGS   tags'; $(call list-files,'*.c' '*.h' '*.S') | ctags -L -; \
	elif command -v etags >/dev/null; then \
		echo '  ETAGS   TAGS'; $(call list-files,'*.c' '*.h' '*.S') | etags -; \
	else \
		echo 'make tags: neither ctags nor etags is installed' >&2; exit 1; \
	fi

compile_commands.json: all $(bins)
	@echo '  GEN     $@'
	@find $(O) -path $(O)/checkstack -prune -o -name '*.o.cmd' -print | sort | xargs awk -v dir='$(CURDIR)' \
		-f tests/compile_commands.awk > $@.tmp && mv $@.tmp $@

format-check:
	@command -v clang-format >/dev/null || \
		{ echo 'make format-check: clang-format is not installed' >&2; exit 1; }
	@{ $(call list-files,'*.c' '*.h'); } | xargs clang-format --dry-run -Werror

help:
	@echo 'Targets:'
	@echo '  all (default)   libgort.a, libgort-malloc.so, gort.pc, the assembler that adds the'
	@echo '                  stack check, and the gort command'
	@echo '  checkstack      prove that what demands the system stack must, and that functions'
	@echo '                  without stack checks have room; gcc -O2 only'
	@echo '  demo            count the words of the sources, or of FILES="..."'
	@echo '  check           build and run the tests in this configuration'
	@echo '  check-arm64     the same for arm64, under qemu-aarch64 on another CPU'
	@echo '  check-corpus    build and test other programs with the library'
	@echo '  test            all modes: native, maymorestack=move and =preempt, sanitizers,'
	@echo '                  arm64; as root it installs the Debian packages it lacks'
	@echo '  bench           run the benchmarks; ARGS="..." goes to them'
	@echo '  bench-compare   run the benchmarks beside those of others'
	@echo '  fuzz            feed the reader of traces with broken ones, by libFuzzer of clang'
	@echo '  install         headers, library, gort.pc, assembler, tools, gdb commands into DESTDIR/PREFIX'
	@echo '  uninstall       remove them'
	@echo '  clean           remove O'
	@echo '  distclean       remove all builds, tags and compile_commands.json'
	@echo '  lockorder       picture of the order of the locks: ... | dot -Tsvg > x.svg'
	@echo '  tags            index for editors, by ctags or etags'
	@echo '  compile_commands.json   how each file is compiled, for editors'
	@echo '  format-check    compare the sources with .clang-format'
	@echo '  help            this'
	@echo
	@echo 'Variables, with their value now:'
	@printf '  %-24s %s\n' 'ARCH=$(ARCH)' 'x86_64 or arm64 (default: this machine)'
	@printf '  %-24s %s\n' 'CC=$(CC)' 'gcc or clang, also with a version (default gcc)'
	@printf '  %-24s %s\n' 'CROSS_COMPILE=$(CROSS_COMPILE)' 'prefix of gcc and binutils (default, when ARCH is not this'
	@printf '  %-24s %s\n' '' 'machine: aarch64-linux-gnu- or x86_64-linux-gnu-)'
	@printf '  %-24s %s\n' 'EMULATOR=$(EMULATOR)' 'command that runs programs for ARCH'
	@printf '  %-24s %s\n' '' '(default, when ARCH is not this machine: qemu-user)'
	@printf '  %-24s %s\n' 'HOSTCC=$(HOSTCC)' 'compiler of the tools used while building (default gcc)'
	@printf '  %-24s %s\n' 'O=$(O)' 'where to build'
	@printf '  %-24s %s\n' '' '(default build/ARCH[-CC][-SANITIZE][-debug])'
	@printf '  %-24s %s\n' 'DEBUG=$(DEBUG)' '1: -Og and cheap checks, 2: also checks that walk (default 0)'
	@printf '  %-24s %s\n' 'SANITIZE=$(SANITIZE)' 'address, undefined, thread or address,undefined (default none)'
	@printf '  %-24s %s\n' 'WERROR=$(WERROR)' '1: warnings are errors (default 1 if CI=true, else 0;'
	@printf '  %-24s %s\n' '' '"make test" sets it)'
	@printf '  %-24s %s\n' 'EXTRA_CFLAGS=$(EXTRA_CFLAGS)' 'appended to the flags of all C files (default none)'
	@printf '  %-24s %s\n' 'AR LD NM OBJCOPY' 'binutils (default: CROSS_COMPILE and the name)'
	@printf '  %-24s %s\n' 'TESTS=$(TESTS)' 'only tests whose path has one of these words (default all)'
	@printf '  %-24s %s\n' 'GORTDEBUG=$(GORTDEBUG)' 'debug settings of the runtime while testing (default none)'
	@printf '  %-24s %s\n' 'TIMEOUT=$(TIMEOUT)' 'seconds per test; five times that if emulated or sanitized'
	@printf '  %-24s %s\n' '' '(default 60)'
	@printf '  %-24s %s\n' 'CI=$(CI)' 'true: a missing tool is a failure, not a skip (default none)'
	@printf '  %-24s %s\n' 'CORPUS=$(CORPUS)' '1: "make test" runs check-corpus too (default 1 if CI=true)'
	@printf '  %-24s %s\n' 'FILES=$(FILES)' 'input of the demonstration (default: the sources)'
	@printf '  %-24s %s\n' 'ARGS=$(ARGS)' 'arguments of the benchmarks (default none)'
	@printf '  %-24s %s\n' 'FUZZTIME=$(FUZZTIME)' 'seconds of make fuzz (default 600)'
	@printf '  %-24s %s\n' 'PREFIX=$(PREFIX)' 'where to install (default /usr/local)'
	@printf '  %-24s %s\n' 'DESTDIR=$(DESTDIR)' 'put before PREFIX when copying (default none)'
	@printf '  %-24s %s\n' 'V=$(V)' '1: show commands, 2: and why they run (default 0)'

PHONY += checkstack lockorder $(goal-objs) check check-run check-corpus check-arm64 test demo bench bench-compare fuzz \
	 install uninstall clean distclean tags compile_commands.json format-check help
.PHONY: $(PHONY)

unbuilt-goals	:= help clean distclean tags format-check fuzz test check-arm64 uninstall
ifneq ($(filter-out $(unbuilt-goals),$(or $(MAKECMDGOALS),all)),)
-include $(shell test ! -d $(O) || find $(O) -name test -prune -o -name '*.cmd' -print)
endif
