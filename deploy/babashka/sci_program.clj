;; A program of yours with SCI in it, whose scripts use Python: babashka.pods knows SCI contexts as well as the JVM.
;; Start with: clojure -Sdeps '{:deps {org.babashka/sci {:mvn/version "0.8.41"}
;;                                     babashka/babashka.pods {:mvn/version "0.2.0"}}}' -M sci_program.clj
(require '[babashka.pods.sci :as pods]
         '[sci.core :as sci])

(def context
  (sci/init {:namespaces {'babashka.pods {'invoke (sci/copy-var pods/invoke (sci/create-ns 'babashka.pods))}}}))

(def script "
  (require '[math] '[py])
  [(math/hypot 3 4)
   (py/call \"os.path:basename\" \"/a/b\")
   (py/with-handles [counter (py/ref \"collections:Counter\" \"abracadabra\")]
     (py/.. counter (most_common 1)))
   (py/.. (py/import \"builtins\") (sorted [1 3 2] :reverse true))
   (try (py/call \"math:sqrt\" -1) (catch Exception error (:class (py/ex error))))]")

(sci/binding [sci/out *out* sci/err *err*]
  (pods/load-pod context ["bascule" "pod" "--format" "json" "math"])
  (println (sci/eval-string* context script)))
(shutdown-agents)
