/* tests/stacksplit/forms.c - calls forms_<cpu>.s; not instrumented. */
#include "corpus/corpus.h"

#define FORM(name)							\
	do {								\
		long name(long, long);					\
		expect(name(64, 3), 0);					\
	} while (0)

void corpus_run(void)
{
	FORM(form_sub_reg);
	FORM(form_add_reg);
	FORM(form_sub_rsp_mem);
	FORM(form_sub_rax_mem);
	FORM(form_mov_reg);
	FORM(form_mov_mem);
	FORM(form_slack);
	FORM(form_entry_loop);
	FORM(form_hot);
}
