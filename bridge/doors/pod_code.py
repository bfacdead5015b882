"""The part of the namespace `py` that runs in the client: macros, handles that are let go, results to wait for.

A pod may send source text as a var; its client evaluates it in the namespace. It costs a millisecond a var, so this is
kept to what can't be done on our side. The text is for Clojure and for SCI (babashka, and programs with SCI in them)
alike, so it uses what both have. A program's SCI knows few of Java's classes, and one that it doesn't know would keep
the whole namespace from loading: what needs one is given to `eval` when it is called. Names that the namespace itself
takes over (`str`, `list`, `map`, `next`, `type`, `import` ...) are written in full.

In the texts `@py` stands for the namespace, `@pod` for the pod's id, `@callback` for a marked function. A text defines
the var that it is sent as, and may define helpers, whose names begin with `-`.
"""

from __future__ import annotations

from bascule.bridge.doors.pod_vars import edn_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bascule.protocols.bencode import Value

TAGS = (
    *(
        "handle",
        "bytes",
        "bytearray",
        "set",
        "frozenset",
        "tuple",
        "dict",
        "int",
        "complex",
        "datetime",
        "date",
        "time",
    ),
    *("timedelta", "timezone", "decimal", "uuid", "range", "slice", "ellipsis"),
)
"""The tags `py/...` that a value may have: see `bascule.protocols.tagged`."""

_ARGUMENTS_AS_MAP = """
(defn -args
  "Arguments with keywords as pairs at the end, as this pod's JSON has them: in a last map."
  [args]
  (loop [args (vec args) pairs {}]
    (let [named (- (count args) 2)]
      (if (and (>= named 0) (keyword? (nth args named)))
        (recur (subvec args 0 named) (assoc pairs (nth args named) (peek args)))
        (if (seq pairs) (conj args {"py/kwargs" pairs}) args)))))
"""
_ARGUMENTS_AS_THEY_ARE = """
(defn -args
  "Arguments with keywords as pairs at the end: this pod's format says what is a keyword."
  [args]
  (vec args))
"""

_HANDLE_IN_JSON = """
(defn handle?
  "Whether x stands for an object that stayed in Python."
  [x]
  (and (map? x) (contains? x :py/handle)))
"""
_HANDLE_IN_CLOJURE = """
(defn handle?
  "Whether x stands for an object that stayed in Python."
  [x]
  (and (tagged-literal? x) (= 'py/handle (:tag x))))
"""

_COMMON = {
    ".-": """
(defmacro .-
  "An attribute: (py/.- df columns)."
  [obj attribute]
  (clojure.core/list '@py/attr obj (name attribute)))
""",
    "..": """
(defn -method [obj method args] (apply @py/method obj method (@py/-args args)))
(ns-unmap *ns* '..)
(defmacro ..
  "Methods and attributes one after the other: (py/.. df (head 3) (to_dict :orient \\"list\\") columns)."
  [obj & steps]
  (clojure.core/reduce (fn [obj step]
                         (if (seq? step)
                           (clojure.core/list '@py/-method obj (name (first step)) (vec (rest step)))
                           (clojure.core/list '@py/attr obj (name step))))
                       obj steps))
""",
    "with-handles": """
(defn -let-go [x]
  (cond (@py/handle? x) (@py/release x)
        (sequential? x) (run! -let-go x)
        :else nil))
(defmacro with-handles
  "Like let; at the end, however it ends, Python forgets the objects that the names stand for, the last one first."
  [bindings & body]
  (if (seq bindings)
    (let [held (gensym "held")]
      (clojure.core/list 'clojure.core/let [held (second bindings)]
        (clojure.core/list 'try
          (clojure.core/list* 'clojure.core/let [(first bindings) held]
            [(clojure.core/list* '@py/with-handles (vec (drop 2 bindings)) body)])
          (clojure.core/list 'finally (clojure.core/list '@py/-let-go held)))))
    (cons 'do body)))
""",
    "async": """
(def -running (atom {}))
(defn -start [sym args on-value]
  (let [key (clojure.core/str (gensym "call"))
        outcome (promise)
        result (delay (let [[value error] @outcome] (if error (throw error) value)))
        end (fn [value error] (swap! -running dissoc result) (deliver outcome [value error]))]
    (swap! -running assoc result key)
    (babashka.pods/invoke "@pod" '@py/-keyed (into [key (clojure.core/str sym)] args)
      {:handlers {:success (fn [value] (if on-value (on-value value) (end value nil)))
                  :error (fn [{:keys [ex-message ex-data]}]
                           (if (and on-value (= "cancelled" (:kind ex-data)))
                             (end :cancelled nil)
                             (end nil (ex-info ex-message ex-data))))
                  :done (fn [] (end (when on-value :done) nil))}})
    result))
(defn async
  "Begins a call and goes on: @(py/async \\"math:pow\\" 2 16). Deref waits for the result, or throws what the call did.
  The target is a text, or the symbol of a var of this pod: (py/async 'my-mod/add 1 2). See cancel."
  [target & args]
  (if (symbol? target)
    (-start target (@py/-args args) nil)
    (-start '@py/call (into [target] (@py/-args args)) nil)))
""",
    "stream": """
(defn stream
  "Calls back with each value of an iterable: (py/stream [\\"my_mod:numbers\\" 10] println), (py/stream handle f).
  Deref waits for the end: :done, or :cancelled. Values come as fast as callback takes them. See cancel."
  [source callback]
  (-start '@py/stream (if (vector? source) (@py/-args source) [source]) callback))
""",
    "traced": """
(defn traced
  "Calls a function in a trace: (py/traced \\"00-4bf9...-00f0...-01\\" \\"math:pow\\" 2 16). The text is a W3C
  traceparent; the bridge's span of the call is its child. The target is a text, or the symbol of a var of this pod."
  [traceparent target & args]
  (if (symbol? target)
    (apply @py/-traced traceparent (clojure.core/str target) (@py/-args args))
    (apply @py/-traced traceparent (clojure.core/str '@py/call) target (@py/-args args))))
""",
    "results": """
(defn -pull [run xs wanted over]
  (lazy-seq
    (loop [xs xs wanted wanted over over]
      (let [items (vec (take wanted xs))
            left (drop wanted xs)
            over (or over (< (count items) wanted))
            [found more] (@py/-exchange run items over)]
        (if (and (empty? found) more)
          (recur left more over)
          (concat (mapv (fn [[index value error]]
                          (if error {:index index :error error} {:index index :value value}))
                        found)
                  (when more (-pull run left more over))))))))
(defn results
  "Calls a function with each of xs on all workers: a lazy sequence of {:index i :value v}, as they are completed.
  xs may be lazy, too, and without end: no more of it is realised than the results' reader and the workers need.
  The target may be a method of handles, \\".total\\", which is called where each object lives. Options are scatter's
  but for :progress, and :ordered true: in the items' order. With :errors \\"return\\" a failure is {:index i :error e}.
  What is not read to its end is ended by cancel."
  ([target xs] (results target xs {}))
  ([target xs options]
   (let [run (@py/-results target options)]
     (with-meta (-pull run xs 1 false) {:py/run run}))))
""",
    "cancel": """
(defn cancel
  "Ends what async, stream or results began; whether it was still under way."
  [result]
  (if-let [run (:py/run (meta result))]
    (@py/-end run)
    (if-let [key (get @-running result)] (@py/-cancel key) false)))
""",
    "calling": """
(defn -reply [number function args]
  (let [answered (atom false)]
    (try (@py/-answer number (apply function args))
         (reset! answered true)
         (catch Exception error
           (@py/-failed number (clojure.core/str (class error)) (clojure.core/str (ex-message error)))
           (reset! answered true))
         (finally
           (when-not @answered (@py/-failed number "java.lang.Error" "the function ended with an error"))))))
(defn calling
  "Calls a function of Python, with functions of Clojure among its arguments, which Python may call as long as the call
  runs: (py/calling \\"builtins:list\\" ...). Keywords and what follows them are keyword arguments, in every format."
  [target & args]
  (let [functions (atom {})
        outcome (promise)
        begin (eval '(fn [task] (future (task))))
        marked (mapv (fn [arg]
                       (if (fn? arg)
                         (let [name (clojure.core/str "f" (count @functions))]
                           (swap! functions assoc name arg)
                           @callback)
                         arg))
                     args)]
    (babashka.pods/invoke "@pod" '@py/-calling (into [target] (@py/-args marked))
      {:handlers {:success (fn [[kind number [name given]]]
                             (if (= "py/callback" kind)
                               (begin #(-reply number (get @functions name) given))
                               (deliver outcome [number nil])))
                  :error (fn [{:keys [ex-message ex-data]}] (deliver outcome [nil (ex-info ex-message ex-data)]))
                  :done (fn [] (deliver outcome [nil nil]))}})
    (let [[value error] @outcome]
      (if error (throw error) value))))
""",
    "ex": """
(defn ex
  "What Python said of an exception: a map with :class :message :traceback :frames :notes :cause (another such map)."
  [error]
  (loop [error error]
    (cond (nil? error) nil
          (map? error) (or (:ex-data error) error)
          (:kind (ex-data error)) (ex-data error)
          :else (recur (ex-cause error)))))
""",
    "print-ex": """
(defn print-ex
  "Prints Python's traceback of an exception, its causes included."
  [error]
  (println (or (:traceback (@py/ex error)) (:message (@py/ex error)) error)))
""",
    "->bytes": """
(defn ->bytes
  "The bytes that a result of Python's type bytes holds."
  [x]
  (if (bytes? x)
    x
    ((eval '(fn [^String text] (.decode (java.util.Base64/getDecoder) text))) (or (:py/bytes x) (:form x)))))
""",
}


def code(payload_format: str, core: str, pod: str) -> list[Value]:
    """The vars that are source text.

    Args:
        payload_format: json, edn or transit+json.
        core: The namespace's name.
        pod: The pod's id: the name of its first namespace.
    """
    texts: dict[str, str] = {}
    if payload_format == "edn":
        texts["-tags"] = "\n".join(
            [f"(def -tag-{tag} (fn [form] (tagged-literal 'py/{tag} form)))" for tag in TAGS] + ["(def -tags nil)"]
        )
    elif payload_format == "transit+json":
        texts["-tags"] = _transit_handlers()
    json = payload_format == "json"
    texts["-args"] = _ARGUMENTS_AS_MAP if json else _ARGUMENTS_AS_THEY_ARE
    texts["handle?"] = _HANDLE_IN_JSON if json else _HANDLE_IN_CLOJURE
    texts.update(_COMMON)
    named = edn_text(pod)[1:-1]
    marker = '{"py/callback" name}' if json else "(tagged-literal 'py/callback name)"
    named_as = (("@callback", marker), ("@pod", named), ("@py", core))
    return [{"name": name, "code": _filled(text, named_as)} for name, text in texts.items()]


def _filled(text: str, named_as: tuple[tuple[str, str], ...]) -> str:
    for placeholder, name in named_as:
        text = text.replace(placeholder, name)
    return text.strip()


def readers(payload_format: str, core: str) -> dict[str, Value] | None:
    """For EDN: the function of the namespace that reads each tag. A client throws on a tag that it is not told of."""
    if payload_format != "edn":
        return None
    return {f"py/{tag}": f"{core}/-tag-{tag}" for tag in TAGS}


def _transit_handlers() -> str:
    """Tagged values as Clojure's tagged literals, both ways."""
    tags = " ".join([f'"py/{tag}"' for tag in TAGS])
    return f"""
(doseq [tag [{tags}]]
  (babashka.pods/add-transit-read-handler! tag (fn [form] (tagged-literal (symbol tag) form))))
(babashka.pods/add-transit-write-handler!
  #{{(class (tagged-literal 'py/handle nil))}} (fn [x] (clojure.core/str (:tag x))) (fn [x] (:form x)))
(def -tags nil)
"""
