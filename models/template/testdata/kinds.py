# Small templates of goldens.py, each for one kind of thing that Jinja does: what is printed, what is empty, what fails.
# X is text of a user, L a list and D a mapping of such texts; every line is an expression.
EXPRESSIONS = r"""
none
None
true
[none, true, 1.0, 'a']
{'b': 1, 'a': [1, none, 'x'], 3: (1,), 'n': {}}
()
(1,)
[[], {}, ()]
1.0
1e20
1e16
123456789012345.0
1.5e-7
0.0001
-0.0
3.0 * 2
1_000
0x1F
0b101
0o17
7 / 2
7 // 2
-7 // 2
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
2 ** 10
2 ** -1
2 ** 3 ** 2
-2 ** 2
(-8) ** 2
2 ** 0.5
10 - 2 - 3
1 + 2 * 3
'a' ~ 1 ~ none ~ true ~ 1.5
1 ~ 2 + 3
'x' * 3
3 * 'x'
'x' * -1
[1] * 2 + [3]
(1, 2) + (3,)
'a' + 1
1 + 'a'
[1] + (2,)
'a' - 'b'
1 / 0
1 // 0
1 % 0
not 'a'
not ''
not none
1 and 2
0 or 'x'
'' or none
1 < 2 < 3
1 < 2 > 5
1 == 1.0
1 == true
'1' == 1
[1, 2] == [1, 2]
(1, 2) == [1, 2]
{'a': 1} == {'a': 1.0}
'a' < 'b'
'a' < 1
[1, 2] < [1, 3]
none < 1
none == none
1 in [1, 2]
1 not in [1, 2]
'a' in 'abc'
1 in 'abc'
'a' in {'a': 1}
'a' in none
2 in range(3)
nosuch
nosuch.x
nosuch['x']
nosuch()
nosuch + 1
1 + nosuch
'a' + nosuch
'a' ~ nosuch
nosuch == nosuch
nosuch == none
nosuch != 1
nosuch < 1
nosuch in [1]
1 in nosuch
'a' in nosuch
nosuch in 'abc'
-nosuch
not nosuch
nosuch is defined
nosuch is undefined
nosuch.x is defined
nosuch | default('d')
nosuch.x | default('d')
D.nosuch | default('d')
D.nosuch.x | default('d')
D['nosuch'] is defined
D.nosuch is none
none.x
none.x.y
none['x'] is defined
1.x
'a'.nosuch
'a'.nosuch()
L[99]
L[99].x
L['x']
L.nosuch
D[0]
X[99]
X['upper']()
nosuch | length
nosuch | list
nosuch | upper
nosuch | trim
nosuch | string
nosuch | join
nosuch | first
nosuch | last
nosuch | int
nosuch | float
nosuch | tojson
nosuch | items | list
nosuch | replace('a', 'b')
nosuch | map('upper') | list
nosuch | selectattr('a') | list
nosuch | sort
nosuch | reverse | list
nosuch | sum
nosuch | abs
nosuch | round
nosuch | indent
nosuch | capitalize
nosuch | unique | list
nosuch | e
nosuch is string
nosuch is mapping
nosuch is iterable
nosuch is sequence
nosuch is number
nosuch is callable
nosuch is none
nosuch is true
nosuch is eq(none)
nosuch is in(['a'])
nosuch is lower
nosuch is even
[nosuch]
'yes' if nosuch else 'no'
'yes' if nosuch
('yes' if nosuch) is defined
('yes' if nosuch) + 'x'
'%s' % nosuch
'%d' % nosuch
none | upper
none | length
none | list
none | default('d')
none | default('d', true)
none | int
none | float
none | tojson
none | string
none | trim
none + 'a'
none ~ 'a'
none | join
none | first
none | replace('N', 'n')
false | default('d', true)
'' | default('d', boolean=true)
X
X | upper
X | lower
X | title
X | capitalize
X | trim
X | trim('H')
X | length
X | count
X | list
X | first
X | last
X | reverse
X | string
X | e
X | e | upper
X | safe
(X | safe) + '<b>'
'<b>' + (X | e)
X | e | length
X | e ~ '<'
X | int
X | float
X | tojson
X | tojson | tojson
X | indent
X | indent(2, true)
X | indent('> ', first=true, blank=true)
X | replace('i', '<i>')
X | replace('', '-')
X | replace('H', 'J', 1)
X | center(20)
X | truncate(5)
X | truncate(9, true, '…', 0)
X | wordcount
X | wordcount + 1
X | format
X | join('-')
X | map('upper') | join
X | select('in', 'aeiou') | list
X | batch(3) | list
X | sort | join
X | unique | join
X.upper()
X.lower()
X.title()
X.capitalize()
X.swapcase()
X.strip()
X.lstrip()
X.rstrip()
X.strip('\n')
X.strip('Hi ')
X.split()
X.split(' ')
X.split(' ', 1)
X.split(none, 1)
X.split(sep='\n', maxsplit=1)
X.rsplit()
X.rsplit(' ', 1)
X.rsplit(none, 1)
X.split('')
X.splitlines()
X.splitlines(true)
X.partition(' ')
X.rpartition('i')
X.partition('@')
X.startswith('H')
X.startswith(('a', 'H'))
X.startswith('i', 1)
X.endswith('!')
X.endswith(('!', '.'))
X.find('i')
X.rfind('i')
X.find('zzz')
X.index('zzz')
X.count('i')
X.count('')
X.replace('i', 'I')
X.replace('i', 'I', 1)
X.replace('', '.')
X.removeprefix('H')
X.removesuffix('!')
X.join(['a', 'b'])
X.join([1])
X.join(L)
X.isalpha()
X.isalnum()
X.isdigit()
X.isnumeric()
X.isdecimal()
X.isspace()
X.isupper()
X.islower()
X.istitle()
X.isascii()
X.center(15, '*')
X.ljust(12) ~ '|'
X.rjust(12)
X.zfill(12)
'-7'.zfill(4)
'{} {}'.format(X, 1)
'{0} {1} {0}'.format(X, 2)
'{a} {b!r}'.format(a=X, b='q')
'{:>8}|{:<8}|{:^8}|{:*^9}'.format('a', 'b', 'c', 'd')
'{:d} {:5d} {:05d} {:+d} {:,} {:x} {:#x} {:b}'.format(1, 2, 3, 4, 5000000, 255, 255, 5)
'{:.2f} {:8.3f} {:e} {:g} {:.1%}'.format(3.14159, 2.5, 1234.5, 0.00001, 0.256)
'{x.y} {d[k]}'.format(x={'y': 1}, d={'k': 2})
'{{}} {}'.format(1)
'{} {}'.format(1)
'{'.format(1)
'%s-%d' % ('a', 3)
'%s' % X
'%r' % X
'%r' % 'it"s'
'%5s|%-5s|%.2s' % ('ab', 'cd', 'efgh')
'%5d|%-5d|%05d|%+d|% d' % (1, 2, 3, 4, 5)
'%x %X %o %#x' % (255, 255, 8, 255)
'%.2f %8.3f %e %g %G' % (3.14159, 2.5, 1234.5, 0.00001, 1e20)
'%c%c' % ('a', 98)
'%%' % ()
'%(a)s %(b)d' % {'a': X, 'b': 2}
'%s %s' % ('a',)
'%s' % ('a', 'b')
'%d' % 'a'
'%s' % [1, 2]
'%s' % none
'%i' % 3.9
'%*d' % (5, 42)
'%s %s' | format('a', X)
'%(a)s' | format(a=X)
X % 1
X[0]
X[-1]
X[1:3]
X[:-1]
X[::-1]
X[::2]
X[5:2]
X[-3:]
X[100:]
X[:0]
X['a']
X[1.0]
X[none:2]
X[::0]
L
L | tojson
L[0]
L[-1]
L[1:]
L[::-1]
L[:1] + L[1:]
L | length
L | first
L | last
L | join
L | join(', ')
L | join(1)
L | reverse
L | reverse | list
L | sort
L | sort(reverse=true)
L | sort(case_sensitive=true)
L | unique | list
L | min
L | max
L | map('upper') | list
L | map('length') | list
L | map('trim') | map('upper') | join('|')
L | map('replace', 'i', 'I') | list
L | map('default', 'd') | list
L | select | list
L | select('equalto', 'Hi') | list
L | reject('equalto', 'Hi') | list
L | select('string') | list
L | select('in', ['Hi']) | list
L | select('nosuch') | list
L | map('nosuch') | list
L | list
L | string
L | batch(2) | list
L | batch(2, 'x') | list
L | slice(2) | list
L | slice(3, 'x') | list
L | sum
L | sum(start='')
L | count
L is iterable
L is sequence
L is mapping
L is string
L.index('Hi')
L.count('Hi')
L.append('x')
L.copy()
L.pop()
'Hi' in L
L + [1]
L == L
D
D | tojson
D | tojson(indent=2)
D | tojson(indent=0)
D | tojson(indent='--')
D | tojson(true)
D | tojson(sort_keys=true)
D | tojson(separators=(',', ':'))
D.a
D['a']
D.get('a')
D.get('nosuch')
D.get('nosuch', 'd')
D.get()
D.keys()
D.keys() | list
D.values() | list
D.items() | list
D.items()
D.keys()[0]
D.keys() | first
D | items | list
D | items
D | list
D | length
D | first
D | last
D | join(',')
D | dictsort
D | dictsort(false, 'value')
D | dictsort(reverse=true)
D | dictsort(by='x')
D | string
D | upper
D | sort
D | map('upper') | list
D | reverse | list
D is mapping
D is iterable
D is sequence
D is string
'a' in D
'zz' in D
D.update({'z': 1})
D.pop('a')
D.copy()
D.items
D.a.b
D['a', 'b']
D[['a']]
D[none]
dict(a=1, b=X)
dict([('a', 1)], b=2)
dict({'a': 1})
dict(1)
namespace(a=1).a
namespace(a=1)
namespace(a=1).b
namespace(_a=1)
namespace({'a': 1}, b=2).a
range(3)
range(3) | list
range(1, 10, 3) | list
range(5, 0, -2) | list
range(0)
range(3)[1]
range(3)[-1]
range(10)[2:5] | list
range(3) | length
range(1, 4) | sum
range(3) | join(',')
range(3) is iterable
range(3) is sequence
range(200000)
range('a')
range(1, 2, 0)
range()
[1, 2, 3] | sum
[1.5, 2] | sum
[{'a': 1}, {'a': 2}] | sum(attribute='a')
[{'a': 1}, {'a': 2}] | map(attribute='a') | list
[{'a': {'b': 1}}] | map(attribute='a.b') | list
[{'a': 1}, {}] | map(attribute='a', default=0) | list
[{'a': 1}, {}] | map(attribute='a') | list
[[1, 2], [3, 4]] | map(attribute=1) | list
[[1, 2], [3, 4]] | map(attribute='1') | list
[[1, 2], [3]] | map('first') | list
[[1, 2], [3]] | map('join', '-') | list
[{'a': 1}, {'a': none}, {}] | selectattr('a') | list
[{'a': 1}, {'a': none}, {}] | selectattr('a', 'defined') | list
[{'a': 1}, {'a': none}] | selectattr('a', 'none') | list
[{'a': 1}, {'a': none}] | rejectattr('a', 'none') | list
[{'a': 1}, {'a': 2}] | selectattr('a', 'gt', 1) | list
[{'a': 1}, {'a': 2}] | selectattr('a', '>', 1) | list
[{'a': 1}, {'a': 2}] | selectattr('a', 'ge', 1) | map(attribute='a') | sum
[{'a': 1}, {'a': 2}] | selectattr('a', 'eq', 1) | first
[{'a': 1}, {'a': 2}] | selectattr('a', 'eq', 3) | first
[{'a': 1}, {'a': 2}] | selectattr('a', 'eq', 3) | list | length
[{'a': 1}] | selectattr('a', 'eq', 1) | length
[{'a': 1}] | selectattr('a')
[{'n': 'b', 'k': 1}, {'n': 'A', 'k': 1}] | sort(attribute='n')
[{'n': 'b', 'k': 1}, {'n': 'A', 'k': 1}] | sort(attribute='k,n')
[3, 1, 2] | sort
[3, 1, 2] | sort(reverse=true) | join
['b', 'A', 'a', 'B'] | sort
['b', 'A', 'a', 'B'] | unique | list
[1, 'a'] | sort
[1, 1.0, true, 2] | unique | list
[3, 1, 2] | min
[3, 1, 2] | max
[] | min
[] | first
[] | last
[] | join
[] | sum
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3, 4, 5] | slice(2) | list
[0, 1, '', 'a', none] | select | list
[0, 1, '', 'a', none] | reject | list
[1, 2, 3, 4] | select('odd') | list
[1, 2, 3, 4] | select('divisibleby', 2) | list
[1, 2, 3, 4] | reject('lessthan', 3) | list
'42' | int
'42.7' | int
'abc' | int
'abc' | int(-1)
'abc' | int(default=7)
'0x1F' | int(base=16)
'ff' | int(0, 16)
'1_000' | int
' 12 ' | int
'+5' | int
'1e3' | int
true | int
3.99 | int
-3.99 | int
[] | int
'3.5' | float
'abc' | float
'abc' | float(1.5)
'inf' | float
'1e400' | float
42 | float
2.5 | round
3.5 | round
2.567 | round(2)
2.567 | round(1, 'floor')
2.5 | round(method='ceil')
42 | round
42.0 | round | int
-5 | abs
-5.5 | abs
5 is even
5 is odd
6 is divisibleby 3
6 is divisibleby(4)
5 is number
5.0 is float
5 is integer
true is integer
true is number
true is boolean
1 is true
true is true
false is false
'a' is string
'a' is iterable
'a' is sequence
'a' is mapping
'a' is lower
'A' is upper
'a' is eq 'a'
'a' is ne 'b'
1 is lt 2
1 is in [1, 2]
1 is not in [1, 2]
'a' is not string
none is none
none is not none
none is sameas none
nosuch is not defined
'upper' is filter
'nosuch' is filter
'even' is test
range is callable
X is callable
1 is iterable
1 is sequence
() is sequence
{} is sequence
'a' is escaped
('a' | e) is escaped
1 if 2 else 3
1 if 0 else 3
1 if 0 else 2 if 0 else 3
(1 if 1) + 1
'a' 'b' 'c'
"it's"
'it\'s "q"'
['it\'s', "q\"", 'both\'"']
'\x41\u00e9\n\t\\ \d'
['\x00\x1f\x7f\u00a0\u200b\ufeff é 你 🏕 \u2028']
'\x00\x1f\x7f\u2028"\\/' | tojson
'é🏕' | tojson(ensure_ascii=true)
[1, 1.5, true, none, 'a', [], {}, {'a': []}] | tojson
[1, [2, {'a': 3}], [], {}] | tojson(indent=2)
{1: 'a', none: 'b', true: 'c', 1.5: 'd'} | tojson
{(1, 2): 'a'} | tojson
range(3) | tojson
(1, 2) | tojson
1e100 | tojson
'ß' | upper
'ǆ' | capitalize
'ΑΣ ΑΣΑ Σ' | lower
'İ' | lower
'ﬁ' | upper
'they\'re bill\'s' | title
"they're bill's (x) [y] <z> -a".title()
'hello world-foo' | title
'a\u2003b\x1cc'.split()
'a\x0bb\x0cc\x1cd\x85e\u2028f\r\ng\rh'.splitlines()
'a\n\nb\n' | indent
'a\nb' | indent(width=2, first=true)
'' | indent(4, true)
'a\r\nb' | indent
'a b' | wordcount
'  a  ' | trim | length
'abc' | reverse
'abc' | list
'12' * 2
'a,b,,c'.split(',')
'a,b,,c'.split(',', -1)
'a,b,,c'.rsplit(',', 1)
'abcabc'.replace('b', '', 1)
'abc'.find('')
'abc'.rfind('')
'abc'.count('')
'abc'.startswith('')
''.startswith('', 1)
'aXbXc'.partition('X')
'aXbXc'.rpartition('X')
'abc'.center(6) ~ '|'
'abc'.center(7, '-')
'ab'.center(5, '-')
'abc'.join('xyz')
','.join(['a', 'b'])
'x'.upper
'x'.encode('utf-8')
X.__class__
X.__class__.__mro__
[].__class__ is defined
''.format.__globals__
loop
self
caller
varargs
kwargs
strftime_now('%Y-%m-%d')
strftime_now('%d %b %Y, %-I%p %% %H:%M:%S')
strftime_now('%A %B %e %j %y %a %h %F %T %R')
strftime_now('%-d %-m %-H %-M %-j')
strftime_now('%Z|%z|%f|%u|%w')
strftime_now()
strftime_now(1)
raise_exception('no')
raise_exception(1)
raise_exception()
tools
documents
add_generation_prompt
bos_token
eos_token
pad_token
unk_token
nosuch_token
messages | length
messages[0].role
messages[0]['content']
messages[0].nosuch
messages[-1].role
messages | map(attribute='role') | list
messages | map(attribute='role') | unique | join(',')
messages | selectattr('role', 'equalto', 'user') | list | length
(messages | first).content
(messages | last)['content']
messages[0] is mapping
messages is sequence
messages[0].keys() | list
messages[0] | length
messages == messages
messages[1:] | length
messages[0].content.upper().lower().strip()
X | upper | lower | title | trim
- 1
+ 1
- - 1
-1 | abs
1 | string | length
(1, 2)[0]
[1, 2][0]
{'a': 1}['a']
{'a': 1}.a
'abc'[1]
'abc'.1
[[1, 2], [3]].0.1
{'a': {'b': {'c': 1}}}.a.b.c
1 if X
X if X else 'empty'
X or 'empty'
X and 'some'
X == ''
X != ''
X is none
X is string
not X
X in ['Hi', 'x']
'H' in X
X ~ X
X + X
X * 2
X | length > 3
X < 'Z'
[X, X]
{X: X}
{X: 1}[X]
(X, 1)
X | tojson | length
[X] | tojson
X.upper() | lower
X.split('i') | length
X.split('i') | join('I')
X.split('i')[0] + '|' + X.split('i')[-1]
X.split('</think>')[-1].lstrip('\n')
X.split('</think>')[0].rstrip('\n').split('<think>')[-1]
X | replace('</think>', '') | trim
"%s" | format(X) | upper
X | upper | replace('I', X)
1.1 ** 10
1.1 ** 3
3 ** -7
2.25 ** 1.5
-0.4 | round(0, 'ceil')
0.4 | round(0, 'floor')
2.345 | round(2, 'ceil')
-(-9223372036854775807)
9007199254740993 == 9007199254740992.0
9007199254740993 > 9007199254740992.0
9007199254740993 in [9007199254740992.0]
{9007199254740992: 'a'}[9007199254740992.0]
1.5 < 2 < 2.5
'٣' | int
' ٣.٥ ' | float
'仟㐅两'.isnumeric()
'㐅'.isnumeric()
'ΑΣ' | title
'ΣΑΣ ΑΣ-ΑΣ' | title
'ΑΣ'.title()
'{:_x} {:_b} {:_}'.format(1048576, 1023, 1048576)
'{:,x}'.format(1048576)
'{:<05d} {:>05d} {:^05d} {:=05d} {:05d}'.format(5, -5, 5, -5, -5)
'{:<05.1f} {:>08.3f} {:08.3f} {:x<05d}'.format(2.5, -2.5, -2.5, 5)
'{:>05}'.format('a')
'{:d}'.format(3.5)
'{:s}'.format(3.5)
'{:x}'.format(3.0)
'{:.f}'.format(1.5)
'%5%' % ()
'{0[-1]}'.format([1, 2])
'{0[1]}'.format([1, 2])
X.replace(old='i', new='o')
{'__x': 1}['__x']
{'_x': 1}._x
L | map(attribute=none) | list
L | map(attribute='٠') | list
L[1:2, 3]
D[1:]
messages[0][:1]
tools[1:]
(L | map('upper'))[1:]
D.keys()[:1]
X[1:2.0]
'y' if ([] | map('abs') | reverse) else 'n'
'y' if ([] | reverse) else 'n'
tools | map(attribute='name') | list
tools | selectattr('type', 'equalto', 'function') | list | length
tools | rejectattr('type') | map('upper') | join
0 | select | list
[] | map | list
5 | select | list
2.5 | round(0, none)
dict(nosuch)
namespace(nosuch)
L | sort(reverse=nosuch)
L | sort(reverse=1)
D | dictsort(reverse=none)
X.splitlines(nosuch)
L | map('upper') | reverse
L | map('upper') | reverse | length
L | map('upper') | reverse | last
""".strip("\n").split("\n")

# Whole templates, for statements and white space.
TEMPLATES = r"""
{{ X }} {{ X }}
{{ X }} {% if true %}a{% endif %}
{{ X }} {# c #}z
{{ X }}	{% if true %}a{% endif %}
a {% if true %} b {% endif %} c
{% if true %} {% endif %}{{ 'q' }}
{% if true %}  {% if true %}x{% endif %}  {% endif %}|
{% for m in messages %} {{ m.role }} {% endfor %}|
{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}|
{% for m in messages -%} {{ m.role }} {%- endfor %}|
{%- for m in messages %} {{- m.role -}} {% endfor -%} |
{{ 'a' }} {%- if true %} b{% endif %}
{{ 'a' -}} {% if true -%} b {%- endif %} c
{{- 'a' -}} x
{%+ if true %} a {%+ endif %}
  {%+ if true +%}  a  {% endif +%}  b
{# a #} {# b #} {#- c -#} d
{{ 1 }}{# x #}{{ 2 }}
{#- a -#}
{##}a{#-#}b
{% raw %}{{ x }} {% y %}{% endraw %}
{%- raw -%} {{ x }} {%- endraw -%} z
{% raw %} a {% endraw %} b
a{% raw %}
a{#
a{% raw
{% raw %}a
{# a
{% set a = 1 %}{{ a }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = 'xy' %}{{ a }}{{ b }}
{% set a, b = [1] %}
{% set (a, b) = (1, 2) %}{{ a + b }}
{% set a = 1, %}{{ a }}
{% set a = X %}{{ a }}{% set a = a ~ '!' %}{{ a }}
{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}
{% set ns = namespace() %}{% set ns.s = '' %}{% for m in messages %}{% set ns.s = ns.s + m.content %}{% endfor %}{{ ns.s }}
{% set ns = {} %}{% set ns.a = 1 %}
{% set nosuch.a = 1 %}
{% set ns = namespace(x=1) %}{% set ns._y = 1 %}
{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + i %}{{ x }};{% endfor %}{{ x }}
{% for i in [1, 2] %}{% set y = i %}{% endfor %}{{ y }}
{% if true %}{% set y = 1 %}{% endif %}{{ y }}
{% if false %}{% set y = 1 %}{% endif %}{{ y }}
{% if false %}{% set messages = 1 %}{% endif %}{{ messages | length }}
{% for i in [1, 2, 3] %}{% if loop.first %}{% set z = i %}{% endif %}{{ z }},{% endfor %}
{% set a %}x{{ X }}y{% endset %}{{ a | upper }}{{ a is string }}
{% set a | upper | trim %} x{{ X }}y {% endset %}[{{ a }}]
{% set a %}{% set b = 1 %}{{ b }}{% endset %}{{ a }}{{ b }}
{% for i in range(3) %}{{ i }}{% else %}none{% endfor %}
{% for i in [] %}{{ i }}{% else %}none{% endfor %}
{% for i in nosuch %}{{ i }}{% else %}none{% endfor %}
{% for i in none %}{{ i }}{% endfor %}
{% for i in 5 %}{{ i }}{% endfor %}
{% for i in X %}{{ i }}.{% endfor %}
{% for k in {'b': 1, 'a': 2} %}{{ k }}{% endfor %}
{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}{{ v }}{% endfor %}
{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}
{% for k, v in {'b': 1} | items %}{{ k }}{{ v }}{{ loop.last }}{% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for i in 1, 2, 3 %}{{ i }}{% endfor %}
{% for i in [1, 2, 3, 4] if i is even %}{{ i }}{{ loop.index }}{{ loop.length }}{% endfor %}
{% for m in messages if m.role == 'user' %}{{ m.content }}{{ loop.last }}{% else %}nobody{% endfor %}
{% for i in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}
{% for i in [1, 2, 3] %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.previtem is defined }}{{ loop.nextitem | default('end') }};{% endfor %}
{% for i in [1, 2, 3] %}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for i in [1, 2, 3] %}{{ loop.cycle() }}{% endfor %}
{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %}
{% for i in [1, 2] %}{% for j in [3, 4] %}{{ loop.index }}{{ i }}{{ j }}{% endfor %}{{ loop.index }}{% endfor %}
{% for i in [1, 2] %}{{ loop }}{% endfor %}
{% for i in [1, 2] %}{{ loop.nosuch }}{{ loop.nosuch is defined }}{% endfor %}
{% for i in [[1, [2]], 3] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}{{ loop.depth }}{% endif %}{% endfor %}
{% for i in [1] %}{{ loop([2]) }}{% endfor %}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in [1] %}{% continue %}{% else %}else{% endfor %}
{% for i in [1] %}{% break %}{% else %}else{% endfor %}
{% for i in [1, 2] %}{% if i == 2 %}{% break %}{% endif %}{% else %}else{% endfor %}
{% break %}
{% for i in [1] %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% for i in [1, 2] %}{% set x %}a{% break %}{% endset %}{{ x }}{% endfor %}
{% for loop in [1] %}{% endfor %}
{% for i in [1] %}{% set loop = 1 %}{% endfor %}
{% for true in [1] %}{% endfor %}
{% set none = 1 %}
{% if X %}some{% elif true %}empty{% endif %}
{% if X == 'Hi' %}a{% elif X | length > 5 %}b{% elif X is string %}c{% else %}d{% endif %}
{% if nosuch %}a{% else %}b{% endif %}
{% if nosuch.x %}a{% endif %}
{% if 1, %}a{% endif %}
{% if a = 1 %}{% endif %}
{% if true %}a
{% endif %}
{% for x in y %}
{% else %}
{% elif x %}
{% nosuch %}
{% do 1 %}
{% include 'x' %}
{% import 'x' as y %}
{% from 'x' import y %}
{% extends 'x' %}
{{ 1
{{ 1 }
{% if 1 }}
{{ }}
{{ 1 + }}
{{ (1 }}
{{ [1 }}
{{ 'a }}
{{ a | }}
{{ a is }}
{{ a b }}
{{ a.'b' }}
{{ 1 is 2 is 3 }}
{{ a | nosuch }}
{{ a is nosuch }}
{{ f(a=1, 2) }}
{{ !a }}
{{ a ? b }}
{{ {'a': {'b': 1}} }}
{{ {'a': {'b': 1}}}}
{{ [1, 2, ] }}{{ {'a': 1, } }}{{ (1, ) }}
{{ 1, 2 }}
{{ 1, }}
{{-1}}{{- 1 }}{{ -1 }}
{{+1}}{{ +1 }}
{% print 1, 'a' %}
{% print X %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}
{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% filter upper %}a{{ X }}b{% endfilter %}
{% filter replace('a', 'b') | upper %}aXa{% endfilter %}
{% filter length %}abc{% endfilter %}
{% macro f(a, b=2) %}{{ a }}-{{ b }};{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=4, a=5) }}{{ f() }}
{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(c=2) }}
{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, c=4) }}
{% macro f(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ f() }}{{ f(none) }}
{% macro f(a) %}{{ a + 1 }}{% endmacro %}{{ f() }}
{% macro f(a=1, b) %}{% endmacro %}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}
{% macro f() %}{{ y }}{% endmacro %}{% set y = 1 %}{{ f() }}{% set y = 2 %}{{ f() }}
{% macro f() %}{% set y = 9 %}{% endmacro %}{% set y = 1 %}{{ f() }}{{ y }}
{% macro f(x) %}{{ caller(x) }}{% endmacro %}{% call(y) f(3) %}[{{ y }}]{% endcall %}
{% macro f(x) %}{{ x }}{{ caller is defined }}{% if caller %}{{ caller() }}{% endif %}{% endmacro %}{{ f(1) }}{% call f(2) %}c{% endcall %}
{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}
{% macro f() %} a {{ 1 }} {% endmacro %}[{{ f() }}][{{ f() | trim }}]{{ f() | length }}{{ f() is string }}
{% macro f() -%} a {%- endmacro %}[{{ f() }}]
{% macro f() %}{% for i in [1, 2] %}{{ loop.index }}{% endfor %}{% endmacro %}{% for i in [1] %}{{ f() }}{% endfor %}
{% for i in [1, 2] %}{% macro f() %}{{ i }}{{ loop.index }}{% endmacro %}{{ f() }}{% endfor %}
{% macro f() %}{{ raise_exception('in f') }}{% endmacro %}{{ f() }}
{% macro f() %}{{ messages | length }}{% endmacro %}{{ f() }}
{{ f() }}{% macro f() %}x{% endmacro %}
{% macro f(a) %}{{ a.content }}{% endmacro %}{% for m in messages %}{{ f(m) }}{% endfor %}
{% macro f(x) %}{{ x }}{% endmacro %}{{ f }}
{% macro f(x) %}{{ x }}{% endmacro %}{{ [1, 2] | map('string') | map('upper') | join }}{{ f(*[1]) }}{{ f(**{'x': 2}) }}
{% generation %}{{ X }}{% set q = 1 %}{% endgeneration %}{{ q }}
{% generation x %}{% endgeneration %}
{% call X() %}{% endcall %}
{% call 1 %}{% endcall %}
{% set x = [] %}{% set _ = x.append(1) %}{{ x }}
{% set it = ['a', 'b'] | map('upper') %}{{ it | first }}{{ it | list }}{{ it | list }}
{% set it = ['a', 'b'] | map('upper') %}{% for i in it %}{{ i }}{% endfor %}{% for i in it %}{{ i }}{% else %}empty{% endfor %}
{% set it = ['a', 'b', 'c'] | select %}{{ 'b' in it }}{{ it | list }}
{% for m in messages | reverse %}{{ m.content }}{% endfor %}
{% for m in messages[::-1] %}{{ m.content }}{{ loop.index0 }}{% endfor %}
{% for a in [1, 2] | batch(1) %}{{ a }}{{ loop.length }}{% endfor %}
{% autoescape true %}{{ '<' }}{% endautoescape %}
{% block a %}x{% endblock %}
{% trans %}x{% endtrans %}
{{ {1: 2}[1] }}{{ {1.0: 2}[1] }}{{ {true: 2}[1] }}
{{ {'a': 1, 'a': 2} }}
{% for x in [1,2,3] %}{% for y in [1,2,3] %}{% if y == 2 %}{% continue %}{% endif %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}
{{ [1, 2, 3] | map('string') | join(',') | replace(',', '-') }}
{{ (messages | map(attribute='content') | map('length') | list) }}
{{ messages | groupby('role') | list | length }}
{{ 'x' | attr('upper') }}
{{ '<b>x</b>' | striptags }}
{{ 'a b' | urlencode }}
{{ cycler('a') }}
{{ joiner(',') }}
{{ 9223372036854775807 }}
{{ 9223372036854775807 + 1 }}
{{ 99999999999999999999 }}
{{ 2 ** 100 }}
{{ X.nosuch }}{{ X.nosuch is defined }}
{{ X.isidentifier() }}
{{ 5.bit_length() }}
{{ true.real }}
{% set it = [1, 2, 3] | map('abs') %}{% for x in it %}{{ x }}{% break %}{% endfor %}|{{ it | list }}
{% set it = [1, 2, 3] | map('abs') %}{% for x in it %}{{ x }}{{ loop.last }}{% break %}{% endfor %}|{{ it | list }}
{% set it = [1, 2, 3, 4] | map('abs') %}{% for x in it %}{{ x }}-{{ it | first }},{% endfor %}
{% set it = [1, 2, 3] | reverse %}{% for x in it if x < 3 %}{{ x }}{% break %}{% endfor %}|{{ it | list }}
{% set it = [1, 2] | map('abs') %}{% set more = it | map('string') %}{{ more | list }}
{% set it = [1, 2] | map('abs') %}{% set more = it | map('string') %}{{ it | list }}{{ more | list }}
{% set ns = namespace() %}{% for i in [1, 2] %}{% macro f() %}{{ i }}{% endmacro %}{% if loop.first %}{% set ns.f = f %}{% endif %}{% endfor %}{{ ns.f() }}
{% for i in [1, 2] %}{% macro f() %}{{ i }}{% endmacro %}{% with %}{{ f() }}{% endwith %}{% for j in [3] %}{{ f() }}{% endfor %}{% endfor %}
""".strip("\n").split("\n")

# The same, of several lines.
LINES = [
    "{{ 'a\nb' }}\n", "{{ 'a' }}\n{{ 'b' }}\n\n", '{% if true %}\nx\n{% endif %}\ny\n',
    '    {% if true %}\n    x\n    {% endif %}\ny\n',
    '\t{%- if true %}\n\tx\n\t{%- endif %}\n',
    '  a {% if true %}  \nb{% endif %}\n',
    'a\n  {# c #}\nb\n',
    'a\n  {{ 1 }}\n  b\n',
    '  {% set a = 1 %}  {% set b = 2 %}\nc\n',
    '{% set a = 1 %}\n{% set b = 2 %}\n{{ a }}\n{{ b }}\n',
    'x {{ X }}\n\n{{ X | trim }}\n',
    '\n\n{% if true %}\n\n{% endif %}\n\n',
    '{% raw %}\n  {{ a }}\n{% endraw %}\nb\n',
    '  {% raw %} a {% endraw %}  \nb',
    'a\r\n  {% if true %}\r\nb\r\n  {% endif %}\r\nc\r\n',
    'a\rb{% if true %}\rc{% endif %}',
    '{#\n multi\n line\n#}\nx\n',
    '{%\n  if\n  true\n%}\nx\n{% endif %}',
    '{{\n  X\n}}\n',
    '{%- for m in messages %}\n\n  {{- m.role }}\n\n{%- endfor %}\n\nend\n',
    '\xa0{% if true %}\u2003x\u2003{%- endif %}\xa0 {%- if true %}y{% endif %}',
    '  {%- set x = 1 -%}  \n  {{ x }}  \n  {%- set y = 2 +%}\n{{ y }}',
    '{{ X }}\n  {% if true %}\n  {{ X }}\n  {% endif %}\n',
    '{% for i in range(3) %}\n  {% if i %}\n    {{ i }}\n  {% endif %}\n{% endfor %}\n',
    '{% for i in range(3) -%}\n  {{ i }}\n{%- if not loop.last %}, {% endif -%}\n{% endfor %}.']
